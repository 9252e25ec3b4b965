package cwmp

import "strings"

// cookieName names the session cookie. CPEs need keep only 512 bytes of cookies (TR-069 3.4.2), so it is short.
const cookieName = "session"

// maxCookies bounds how many values of our cookie one request is searched for.
const maxCookies = 8

// sessionCookies finds the values of the session cookie in Cookie headers. CPEs speak RFC 6265, RFC 2109 and Netscape
// cookies: pairs parted by semicolons or commas, $Version and $Path between them, values quoted or not. An old value may
// come along with the new one, in any order.
func sessionCookies(headers []string) []string {
	var ids []string
	for _, h := range headers {
		for h != "" && len(ids) < maxCookies {
			var pair string
			if i := strings.IndexAny(h, ";,"); i >= 0 {
				pair, h = h[:i], h[i+1:]
			} else {
				pair, h = h, ""
			}
			name, value, _ := strings.Cut(pair, "=")
			value = strings.Trim(strings.TrimSpace(value), `"`)
			if strings.EqualFold(strings.TrimSpace(name), cookieName) && value != "" {
				ids = append(ids, value)
			}
		}
	}
	return ids
}
