<?php
/**
 * Verifies webhooks of Recado. PHP 8, no extensions.
 *
 * Copy this file, and call recado_verify() with the request's body exactly as it came in. To try it:
 *
 *     WEBHOOK_SECRET=whsec_... php -S 127.0.0.1:9000 verify.php
 */
declare(strict_types=1);

/** Seconds that webhook-timestamp may be from this clock, either way. */
const RECADO_TOLERANCE = 300;

/**
 * Tells whether a request is Recado's, by its webhook-... headers.
 *
 * @param string[] $secrets all that may sign: one, or the new and the old one during a change, as secret or as standard_secret
 * @param array<string, string> $headers names in lower case
 */
function recado_verify(array $secrets, array $headers, string $body, ?int $now = null): bool
{
    $id = $headers['webhook-id'] ?? '';
    $stamp = $headers['webhook-timestamp'] ?? '';
    $given = $headers['webhook-signature'] ?? '';
    if ($id === '' || $given === '' || !preg_match('/^[0-9]{1,12}$/D', $stamp)) {
        return false;
    }
    if (str_contains($given, ', ')) { // two headers that were joined
        return false;
    }
    $right = false;
    foreach ($secrets as $secret) {
        $want = 'v1,' . base64_encode(hash_hmac('sha256', "$id.$stamp.$body", recado_key($secret), true));
        foreach (explode(' ', $given) as $entry) {
            if (hash_equals($want, $entry)) {
                $right = true;
            }
        }
    }
    return $right && abs(($now ?? time()) - (int) $stamp) <= RECADO_TOLERANCE;
}

/**
 * Tells whether the body signature, "sha256=<hex>", is right. It does not say when: refuse an event_id (in the body) that you have seen.
 *
 * @param string[] $secrets as secret, not as standard_secret
 */
function recado_verify_body(array $secrets, string $signature, string $body): bool
{
    $right = false;
    foreach ($secrets as $secret) {
        if (hash_equals('sha256=' . hash_hmac('sha256', $body, $secret), $signature)) {
            $right = true;
        }
    }
    return $right;
}

function recado_key(string $secret): string
{
    if (!str_starts_with($secret, 'whsec_')) {
        return $secret;
    }
    $key = base64_decode(substr($secret, strlen('whsec_')), true);
    if ($key === false || $key === '') {
        throw new InvalidArgumentException('what follows whsec_ is not base64');
    }
    return $key;
}

if (PHP_SAPI === 'cli-server') {
    $body = file_get_contents('php://input', false, null, 0, (1 << 20) + 1);
    $headers = array_change_key_case(getallheaders(), CASE_LOWER);
    $secrets = array_values(array_filter([getenv('WEBHOOK_SECRET'), getenv('WEBHOOK_SECRET_OLD')]));
    if (strlen($body) > 1 << 20) {
        http_response_code(413);
    } elseif ($_SERVER['REQUEST_METHOD'] !== 'POST' || !recado_verify($secrets, $headers, $body)) {
        http_response_code(401);
    } else {
        error_log($headers['webhook-id'] . ' ' . $body); // store it; ignore an id that you have
        http_response_code(204);
    }
}
