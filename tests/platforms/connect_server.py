"""A Spark Connect server on loopback: prints `port N`, and ends when its standard input does.

Spark 3.5's own start script listens on all interfaces and has no setting for another address, so
this program builds the same gRPC server at 127.0.0.1. Arguments: `key=value`, settings of Spark.
"""

import sys

from pyspark.sql import SparkSession


def start_server(spark: SparkSession) -> int:
    """Start the service of Spark Connect in the session's JVM; returns the port."""
    jvm = spark.sparkContext._jvm
    grpc, service = jvm.org.sparkproject.connect.grpc, jvm.org.apache.spark.sql.connect.service
    address = jvm.java.net.InetSocketAddress("127.0.0.1", 0)
    server = grpc.netty.NettyServerBuilder.forAddress(address)
    server = server.maxInboundMessageSize(128 << 20)  # the default of Spark's own
    server = server.addService(service.SparkConnectService(False))
    interceptors = getattr(service, "SparkConnectInterceptorRegistry$")
    getattr(interceptors, "MODULE$").chainInterceptors(server)
    return int(server.build().start().getPort())


if __name__ == "__main__":
    builder = SparkSession.builder.appName("connect-server")
    for setting in sys.argv[1:]:
        builder = builder.config(*setting.split("=", 1))
    session = builder.getOrCreate()
    sys.stdout.write(f"port {start_server(session)}\n")
    sys.stdout.flush()
    sys.stdin.read()
    session.stop()
