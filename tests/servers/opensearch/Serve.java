import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collection;
import java.util.List;
import org.opensearch.common.settings.Settings;
import org.opensearch.env.Environment;
import org.opensearch.index.reindex.ReindexPlugin;
import org.opensearch.knn.plugin.KNNPlugin;
import org.opensearch.node.Node;
import org.opensearch.plugins.Plugin;
import org.opensearch.transport.Netty4Plugin;

/** One node with k-NN (engine lucene) on 127.0.0.1: Serve HOME PORT. It ends when its standard input does. */
public class Serve {
  static class Local extends Node {
    Local(Environment environment, Collection<Class<? extends Plugin>> plugins) {
      super(environment, plugins, false);
    }
  }

  public static void main(String[] args) throws Exception {
    Path home = Path.of(args[0]);
    Path config = Files.createDirectories(home.resolve("config"));
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
    Node node = new Local(
        new Environment(settings, config), List.of(Netty4Plugin.class, ReindexPlugin.class, KNNPlugin.class));
    node.start();
    while (System.in.read() >= 0) { }
    node.close();
    System.exit(0);
  }
}
