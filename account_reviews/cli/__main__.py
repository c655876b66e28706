"""`python -m account_reviews.cli`, the same as `reviews`."""

from account_reviews.cli.app import main

if __name__ == "__main__":
    main()
