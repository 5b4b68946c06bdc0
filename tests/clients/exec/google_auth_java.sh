# google-auth-library for Java, as Debian has it.
exec java -cp "$EE_AUTH_CLIENTS/java:$(echo /usr/share/java/google-auth-library-*.jar /usr/share/java/google-http-client*.jar \
    /usr/share/java/guava.jar /usr/share/java/failureaccess.jar /usr/share/java/gson.jar \
    /usr/share/java/opencensus*.jar /usr/share/java/grpc-context*.jar /usr/share/java/httpc*.jar \
    /usr/share/java/commons-logging.jar /usr/share/java/jackson-core.jar | tr ' ' :)" GoogleAuth
