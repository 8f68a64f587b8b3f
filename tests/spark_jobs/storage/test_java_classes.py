from py4j.java_gateway import JavaClass
from pyspark.sql import SparkSession
from pyspark.sql import functions as F


def test_classes_of_columns_are_looked_up_once(spark: SparkSession) -> None:
    jvm = spark.sparkContext._jvm
    remembered = vars(jvm)["functions"]
    assert isinstance(remembered, JavaClass)
    assert remembered._fqn == "org.apache.spark.sql.functions"
    assert jvm.functions is remembered
    numbers = spark.range(3).select((F.col("id") + F.lit(1)).alias("n")).agg(F.sum("n"))
    assert numbers.first()[0] == 6
