#!/usr/bin/env python3
"""Reads a set with Spark: spark_read.py SET

Spark wants Java 17 or newer (Debian: apt install openjdk-17-jre-headless). SET is a
folder, or s3a://BUCKET/PREFIX for a Spark that has Hadoop's S3 client: start it with
  spark-submit --packages org.apache.hadoop:hadoop-aws:VERSION spark_read.py SET
with the version of the Hadoop that Spark brings along.
"""

import os
import shutil
import sys

from pyspark.sql import SparkSession
from pyspark.sql import functions as F


def java():
    """Whether there is one for Spark."""
    return bool(os.environ.get("JAVA_HOME") or shutil.which("java"))


def session():
    """Spark on this machine, set for rows of megabytes."""
    if not java():
        sys.exit("Spark needs Java, and there is none: apt install openjdk-17-jre-headless, or see JAVA_HOME")
    return (
        SparkSession.builder.master("local[2]")
        # A batch of the 4096 rows that Spark reads by default can be gigabytes of media.
        .config("spark.sql.parquet.columnarReaderBatchSize", 16)
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.host", "localhost")
        .getOrCreate()
    )


def tuples(spark, location):
    """The set as a data frame."""
    return spark.read.parquet(location + "/data")


def index(spark, location):
    """All columns but the media, whose sizes it has: to ask for the length of a video itself reads the video."""
    return spark.read.parquet(location + "/index.parquet")


def main(location):
    """Prints, for each source, what the set has of it."""
    spark = session()
    spark.sparkContext.setLogLevel("WARN")
    index(spark, location).groupBy("source_id").agg(
        F.count("*").alias("tuples"),
        F.round(F.sum("duration"), 2).alias("seconds"),
        F.sum("video_size").alias("video_bytes"),
        F.sum(F.size("captions")).alias("captions"),
    ).orderBy("source_id").show(truncate=False)
    spark.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
