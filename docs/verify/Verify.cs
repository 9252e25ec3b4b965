// Verifies webhooks of Recado. .NET 6 or newer, no packages.
//
// Copy this file, and call Verify.Request with the request's body exactly as it came in. In ASP.NET Core:
//
//     app.MapPost("/hook", async (HttpRequest r) =>
//     {
//         using var buffer = new MemoryStream();
//         await r.Body.CopyToAsync(buffer); // the server's MaxRequestBodySize bounds it
//         byte[] body = buffer.ToArray();
//         if (!RecadoWebhooks.Verify.Request(secrets, name => r.Headers[name], body, DateTimeOffset.UtcNow.ToUnixTimeSeconds()))
//             return Results.Unauthorized();
//         // Store it; ignore a webhook-id that you have.
//         return Results.NoContent();
//     });

using System;
using System.Collections.Generic;
using System.Globalization;
using System.Linq;
using System.Security.Cryptography;
using System.Text;

namespace RecadoWebhooks
{
    public static class Verify
    {
        /// <summary>Seconds that webhook-timestamp may be from this clock, either way.</summary>
        public const long Tolerance = 300;

        /// <summary>Tells whether a request is Recado's, by its webhook-... headers.</summary>
        /// <param name="secrets">All that may sign: one, or the new and the old one during a change, as secret or as standard_secret.</param>
        /// <param name="headers">Gives all values of a header.</param>
        /// <param name="body">Exactly as it came in.</param>
        /// <param name="now">In seconds since 1970.</param>
        public static bool Request(IEnumerable<string> secrets, Func<string, IEnumerable<string>> headers, byte[] body, long now)
        {
            string id = Single(headers("webhook-id"));
            string stamp = Single(headers("webhook-timestamp"));
            string given = Single(headers("webhook-signature"));
            if (id == "" || given == "" || stamp.Length < 1 || stamp.Length > 12 || !stamp.All(c => c >= '0' && c <= '9'))
            {
                return false;
            }
            if (given.Contains(", ")) // two headers that were joined
            {
                return false;
            }
            byte[] signed = Encoding.UTF8.GetBytes(id + "." + stamp + ".").Concat(body).ToArray();
            bool right = false;
            foreach (string secret in secrets)
            {
                string want = "v1," + Convert.ToBase64String(Hmac(Key(secret), signed));
                foreach (string entry in given.Split(' '))
                {
                    right |= Same(entry, want);
                }
            }
            return right && Math.Abs(now - long.Parse(stamp, CultureInfo.InvariantCulture)) <= Tolerance;
        }

        /// <summary>Tells whether the body signature, "sha256=hex", is right. It does not say when: refuse an event_id (in the body) that
        /// you have seen.</summary>
        /// <param name="secrets">As secret, not as standard_secret.</param>
        /// <param name="signature">The header's value.</param>
        /// <param name="body">Exactly as it came in.</param>
        public static bool Body(IEnumerable<string> secrets, string signature, byte[] body)
        {
            bool right = false;
            foreach (string secret in secrets)
            {
                byte[] mac = Hmac(Encoding.UTF8.GetBytes(secret), body);
                string want = "sha256=" + string.Concat(mac.Select(b => b.ToString("x2", CultureInfo.InvariantCulture)));
                right |= Same(signature ?? "", want);
            }
            return right;
        }

        private static string Single(IEnumerable<string> values)
        {
            string[] all = values == null ? new string[0] : values.ToArray();
            return all.Length == 1 ? all[0] ?? "" : "";
        }

        private static byte[] Key(string secret)
        {
            return secret.StartsWith("whsec_", StringComparison.Ordinal)
                ? Convert.FromBase64String(secret.Substring("whsec_".Length))
                : Encoding.UTF8.GetBytes(secret);
        }

        private static byte[] Hmac(byte[] key, byte[] content)
        {
            using (var hmac = new HMACSHA256(key))
            {
                return hmac.ComputeHash(content);
            }
        }

        private static bool Same(string a, string b)
        {
            return CryptographicOperations.FixedTimeEquals(Encoding.UTF8.GetBytes(a), Encoding.UTF8.GetBytes(b));
        }
    }
}
