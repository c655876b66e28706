# One image for the workers and for every command.

FROM python:3.11-slim AS build
WORKDIR /build
RUN python -m venv --without-pip /opt/reviews
COPY requirements/runtime.txt requirements/runtime.txt
RUN pip --python /opt/reviews/bin/python install --no-cache-dir --require-hashes \
    -r requirements/runtime.txt
COPY pyproject.toml README.md LICENSE worker.py starter.py ./
COPY workflows workflows
COPY activities activities
COPY account_reviews account_reviews
RUN pip --python /opt/reviews/bin/python install --no-cache-dir --no-deps --no-build-isolation . \
    && pip --python /opt/reviews/bin/python uninstall --yes setuptools

FROM python:3.11-slim
RUN pip uninstall --yes setuptools pip \
    && useradd --system --uid 10001 --create-home --home-dir /var/lib/reviews reviews \
    && install -d -o reviews -m 0700 /var/lib/reviews /var/lib/reviews-seals /var/lib/reviews-archive
COPY --from=build /opt/reviews /opt/reviews
ENV PATH=/opt/reviews/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    REVIEWS_DATA_DIR=/var/lib/reviews
WORKDIR /var/lib/reviews
USER 10001
# The page of a worker tells figures, not whether it is well; `reviews doctor` does.
HEALTHCHECK NONE
CMD ["reviews", "worker"]
