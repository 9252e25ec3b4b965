package app_test

// The programs read cases as lines writes them, ask the verifier and print true or false.

const pythonCases = `
import base64, sys, verify

def text(s): return base64.b64decode(s).decode()

for line in sys.stdin:
    scheme, now, secrets, headers, body = line.rstrip("\n").split("\t")
    secrets, body = [text(s) for s in secrets.split(",")], base64.b64decode(body)
    all = {}
    for h in filter(None, headers.split(",")):
        name, value = h.split(":")
        all.setdefault(text(name), []).append(text(value))
    if scheme == "body":
        right = verify.verify_body(secrets, all["x-signature"][0], body)
    else:
        right = verify.verify(secrets, all, body, int(now))
    print(str(right).lower())
`

const phpCases = `<?php
declare(strict_types=1);
require '%s';
while (($line = fgets(STDIN)) !== false) {
    [$scheme, $now, $secrets, $headers, $body] = explode("\t", rtrim($line, "\n"));
    $secrets = array_map('base64_decode', explode(',', $secrets));
    $body = base64_decode($body);
    $all = [];
    foreach (array_filter(explode(',', $headers)) as $h) {
        [$name, $value] = array_map('base64_decode', explode(':', $h));
        $all[$name] = isset($all[$name]) ? $all[$name] . ', ' . $value : $value; // as web servers join them
    }
    $right = $scheme === 'body' ? recado_verify_body($secrets, $all['x-signature'], $body) : recado_verify($secrets, $all, $body, (int) $now);
    echo $right ? "true\n" : "false\n";
}
`

const nodeCases = `
import { readFileSync } from 'node:fs'
import { verify, verifyBody } from '%s'

const bytes = (s) => Buffer.from(s, 'base64')
const text = (s) => bytes(s).toString()
for (const line of readFileSync(0, 'utf8').trimEnd().split('\n')) {
  const [scheme, now, secrets, headers, body] = line.split('\t')
  const all = {}
  for (const h of headers.split(',').filter(Boolean)) {
    const [name, value] = h.split(':').map(text)
    ;(all[name] ??= []).push(value)
  }
  const given = secrets.split(',').map(text)
  const right = scheme === 'body' ? verifyBody(given, all['x-signature'][0], bytes(body)) : verify(given, all, bytes(body), Number(now))
  // node:http gives joined values where one asks for them so; those must not verify either.
  const joined = Object.fromEntries(Object.entries(all).map(([name, values]) => [name, values.join(', ')]))
  if (scheme !== 'body' && verify(given, joined, bytes(body), Number(now)) !== right) throw new Error('joined headers verify otherwise')
  console.log(right)
}
`

const javaCases = `
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

final class Cases {
    static byte[] bytes(String s) { return Base64.getDecoder().decode(s); }

    static String text(String s) { return new String(bytes(s), StandardCharsets.UTF_8); }

    public static void main(String[] args) throws Exception {
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            String[] f = line.split("\t", -1);
            List<String> secrets = new ArrayList<>();
            for (String s : f[2].split(",")) {
                secrets.add(text(s));
            }
            Map<String, List<String>> headers = new TreeMap<>(String.CASE_INSENSITIVE_ORDER);
            for (String h : f[3].split(",")) {
                if (!h.isEmpty()) {
                    String[] p = h.split(":", -1);
                    headers.computeIfAbsent(text(p[0]), k -> new ArrayList<>()).add(text(p[1]));
                }
            }
            boolean right = f[0].equals("body")
                ? Verify.verifyBody(secrets, headers.get("x-signature").get(0), bytes(f[4]))
                : Verify.verify(secrets, headers, bytes(f[4]), Long.parseLong(f[1]));
            System.out.println(right);
        }
    }
}
`

const csharpCases = `
using System;
using System.Collections.Generic;
using System.Linq;
using System.Text;
using RecadoWebhooks;

static class Cases
{
    static string Text(string s) { return Encoding.UTF8.GetString(Convert.FromBase64String(s)); }

    static void Main()
    {
        for (string line = Console.ReadLine(); line != null; line = Console.ReadLine())
        {
            string[] f = line.Split('\t');
            string[] secrets = f[2].Split(',').Select(Text).ToArray();
            var headers = f[3].Split(',').Where(h => h != "").Select(h => h.Split(':')).ToLookup(p => Text(p[0]), p => Text(p[1]));
            byte[] body = Convert.FromBase64String(f[4]);
            bool right = f[0] == "body"
                ? Verify.Body(secrets, headers["x-signature"].First(), body)
                : Verify.Request(secrets, name => headers[name], body, long.Parse(f[1]));
            Console.WriteLine(right ? "true" : "false");
        }
    }
}
`
