"""What programs that tests start have in common."""

# Their Java ends before the optimising compiler has paid for itself: without it a command took 19 s
# of CPU instead of 33. The code cache would then be 48 MB, which Spark fills in a minute.
QUICK_JAVA = {"JDK_JAVA_OPTIONS": "-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=256m"}
