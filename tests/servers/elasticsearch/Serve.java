package vragd.tests.node;

import java.nio.file.Path;
import org.elasticsearch.common.logging.LogConfigurator;
import org.elasticsearch.common.settings.Settings;
import org.elasticsearch.env.Environment;
import org.elasticsearch.node.Node;

/**
 * One node on 127.0.0.1: Serve HOME PORT. It ends when its standard input does.
 *
 * It is compiled into the server's own module, whose descriptor its loader of plugins reads.
 */
public class Serve {
  public static void main(String[] args) throws Exception {
    LogConfigurator.registerErrorListener();
    LogConfigurator.configureESLogging();
    Path home = Path.of(args[0]);
    Settings settings = Settings.builder()
        .put("path.home", home.toString())
        .put("cluster.name", "vragd-tests")
        .put("node.name", "only")
        .put("discovery.type", "single-node")
        .put("network.host", "127.0.0.1")
        .put("http.type", "netty4")
        .put("http.port", args[1])
        .put("transport.type", "netty4")
        .put("transport.port", "0")
        .put("cluster.routing.allocation.disk.threshold_enabled", "false")
        .build();
    Node node = new Node(new Environment(settings, home.resolve("config")));
    node.start();
    while (System.in.read() >= 0) { }
    node.close();
    System.exit(0);
  }
}
