// Verifies webhooks of Recado. Java 11 or newer, no libraries.
//
// Copy this file, and call Verify.verify with the request's body exactly as it came in. To try it:
//
//     WEBHOOK_SECRET=whsec_... java Verify.java 9000

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

public final class Verify {
    /** Seconds that webhook-timestamp may be from this clock, either way. */
    public static final long TOLERANCE = 300;

    private static final int MAX_BODY = 1 << 20;

    private Verify() {}

    /**
     * Tells whether a request is Recado's, by its webhook-... headers.
     *
     * @param secrets all that may sign: one, or the new and the old one during a change, as secret or as standard_secret
     * @param headers values by name, for a map that finds names in any case
     * @param now in seconds: Instant.now().getEpochSecond()
     */
    public static boolean verify(List<String> secrets, Map<String, List<String>> headers, byte[] body, long now) {
        String id = single(headers.get("webhook-id"));
        String stamp = single(headers.get("webhook-timestamp"));
        String given = single(headers.get("webhook-signature"));
        if (id.isEmpty() || given.isEmpty() || !stamp.matches("[0-9]{1,12}")) {
            return false;
        }
        if (given.contains(", ")) { // two headers that were joined
            return false;
        }
        byte[] head = (id + "." + stamp + ".").getBytes(StandardCharsets.UTF_8);
        boolean right = false;
        for (String secret : secrets) {
            String want = "v1," + Base64.getEncoder().encodeToString(hmac(key(secret), head, body));
            for (String entry : given.split(" ")) {
                right |= equal(entry, want);
            }
        }
        return right && Math.abs(now - Long.parseLong(stamp)) <= TOLERANCE;
    }

    /**
     * Tells whether the body signature, "sha256=hex", is right. It does not say when: refuse an event_id (in the body) that you
     * have seen.
     *
     * @param secrets as secret, not as standard_secret
     */
    public static boolean verifyBody(List<String> secrets, String signature, byte[] body) {
        boolean right = false;
        for (String secret : secrets) {
            StringBuilder want = new StringBuilder("sha256=");
            for (byte b : hmac(secret.getBytes(StandardCharsets.UTF_8), new byte[0], body)) {
                want.append(String.format("%02x", b));
            }
            right |= equal(signature == null ? "" : signature, want.toString());
        }
        return right;
    }

    private static String single(List<String> values) {
        return values != null && values.size() == 1 ? values.get(0) : "";
    }

    private static byte[] key(String secret) {
        if (secret.startsWith("whsec_")) {
            return Base64.getDecoder().decode(secret.substring("whsec_".length()));
        }
        return secret.getBytes(StandardCharsets.UTF_8);
    }

    private static byte[] hmac(byte[] key, byte[] head, byte[] body) {
        try {
            Mac mac = Mac.getInstance("HmacSHA256");
            mac.init(new SecretKeySpec(key, "HmacSHA256"));
            mac.update(head);
            return mac.doFinal(body);
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException(e);
        }
    }

    private static boolean equal(String a, String b) {
        return MessageDigest.isEqual(a.getBytes(StandardCharsets.UTF_8), b.getBytes(StandardCharsets.UTF_8));
    }

    private static void receive(HttpExchange x) throws IOException {
        byte[] body = x.getRequestBody().readNBytes(MAX_BODY + 1);
        List<String> secrets = new ArrayList<>();
        for (String name : List.of("WEBHOOK_SECRET", "WEBHOOK_SECRET_OLD")) {
            if (System.getenv(name) != null) {
                secrets.add(System.getenv(name));
            }
        }
        int status = 401;
        if (body.length > MAX_BODY) {
            status = 413;
        } else if (x.getRequestMethod().equals("POST") && verify(secrets, x.getRequestHeaders(), body, System.currentTimeMillis() / 1000)) {
            status = 204;
            // Store it; ignore an id that you have.
            System.out.println(x.getRequestHeaders().getFirst("webhook-id") + " " + new String(body, StandardCharsets.UTF_8));
        }
        x.sendResponseHeaders(status, -1);
        x.close();
    }

    public static void main(String[] args) throws IOException {
        HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", Integer.parseInt(args[0])), 0);
        server.createContext("/", Verify::receive);
        server.start();
    }
}
