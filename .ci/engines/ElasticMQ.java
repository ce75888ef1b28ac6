import java.io.PrintStream;
import org.elasticmq.rest.sqs.SQSRestServerBuilder;

/** ElasticMQ on loopback, in memory, without its statistics server. */
class ElasticMQ {
    public static void main(String[] args) {
        PrintStream out = System.out;
        System.setOut(System.err); // the endpoint is all that stdout gets
        int port = Integer.parseInt(args[0]);
        var builder = port == 0 ? SQSRestServerBuilder.withDynamicPort() : SQSRestServerBuilder.withPort(port);
        var binding = builder.withInterface("127.0.0.1").start().waitUntilStarted();
        out.println("http://127.0.0.1:" + binding.localAddress().getPort());
    }
}
