# shows: java, as interpreter and with its compilers: threads, synchronized, a pool, concurrent maps, exceptions, garbage collection
# run: /bin/sh
# needs: program java
# needs: program javac
# engine: translated
# identity: report
# timeout: 600
cat > Threads.java <<'END'
import java.util.*;
import java.util.concurrent.*;
import java.util.concurrent.atomic.*;

public class Threads {
  static long plain;
  static synchronized void add() { plain++; }

  static long compute(int n) {
    long sum = 0;
    for (int i = 0; i < n; i++) sum = sum * 31 + (i ^ (sum >>> 7));
    return sum;
  }

  public static void main(String[] arguments) throws Exception {
    Thread[] threads = new Thread[4];
    AtomicLong atomic = new AtomicLong();
    for (int i = 0; i < threads.length; i++) {
      threads[i] = new Thread(() -> { for (int j = 0; j < 2000; j++) { add(); atomic.incrementAndGet(); } });
      threads[i].start();
    }
    for (Thread thread : threads) thread.join();
    System.out.println("plain " + plain + " atomic " + atomic);

    ExecutorService pool = Executors.newFixedThreadPool(3);
    List<Future<Long>> futures = new ArrayList<>();
    for (int i = 0; i < 20; i++) { final int n = i * 2000; futures.add(pool.submit(() -> compute(n))); }
    long mixed = 0;
    for (Future<Long> future : futures) mixed ^= future.get();
    pool.shutdown();
    System.out.println("pool " + mixed + " " + pool.awaitTermination(60, TimeUnit.SECONDS));

    ConcurrentHashMap<Integer, Integer> map = new ConcurrentHashMap<>();
    for (int i = 0; i < 5000; i++) map.merge(i % 97, 1, Integer::sum);
    System.out.println("map " + map.size() + " " + map.get(5));

    int caught = 0;
    for (int i = 0; i < 300; i++) {
      try { Object nothing = i % 2 == 0 ? null : "text"; caught += nothing.hashCode() & 0; } catch (NullPointerException e) { caught++; }
    }
    try { recurse(0); } catch (StackOverflowError e) { caught++; }
    System.out.println("caught " + caught);

    List<byte[]> kept = new ArrayList<>();
    for (int i = 0; i < 2000; i++) { byte[] block = new byte[10000]; if (i % 100 == 0) kept.add(block); }
    System.gc();
    System.out.println("kept " + kept.size());
  }
  static int recurse(int depth) { return recurse(depth + 1) + 1; }
}
END
javac Threads.java && echo compiled
echo interpreted; java -Xint -Xmx128m -Xss512k Threads
echo compiled; java -Xmx128m -Xss512k Threads
echo serial; java -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xmx128m Threads
