import java.io.PrintStream;
import org.eclipse.jetty.server.Connector;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;
import software.amazon.dynamodb.services.local.main.ServerRunner;
import software.amazon.dynamodb.services.local.server.DynamoDBProxyServer;

/** DynamoDB Local on loopback. Its own main listens on every address, and has no option against that. */
class DynamoDBLocal {
    public static void main(String[] args) throws Exception {
        PrintStream out = System.out;
        System.setOut(System.err); // the endpoint is all that stdout gets
        DynamoDBProxyServer local = ServerRunner.createServerFromCommandLineArgs(
                new String[] {"-inMemory", "-sharedDb", "-disableTelemetry"});
        var server = DynamoDBProxyServer.class.getDeclaredField("server");
        server.setAccessible(true);
        ServerConnector connector = null;
        for (Connector c : ((Server) server.get(local)).getConnectors()) {
            connector = (ServerConnector) c;
            connector.setHost("127.0.0.1");
            connector.setPort(Integer.parseInt(args[0]));
        }
        local.start();
        out.println("http://127.0.0.1:" + connector.getLocalPort());
        local.join();
    }
}
