"""`python -m account_reviews.cli`, the same as `reviews`."""

from account_reviews.cli import main

if __name__ == "__main__":
    main()
