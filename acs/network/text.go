package network

import (
	"strconv"
	"strings"
)

// number is a device's text taken apart.
type number struct {
	value   float64
	digits  string // of a whole number, without its sign
	whole   bool   // written without a fraction or an exponent
	unit    string // lower case, µ as u; empty: none given
	nothing bool   // a text that stands for no value
}

// maxText is longer than any number that a device has reason to send.
const maxText = 64

// nothings are the texts that devices send where they have no value.
var nothings = map[string]bool{
	"": true, "-": true, "--": true, "---": true, "n/a": true, "na": true, "nan": true, "null": true, "nil": true, "none": true,
	"unknown": true, "inf": true, "-inf": true, "+inf": true, "-infinity": true, "infinity": true, "-∞": true, "∞": true, "no signal": true,
}

var units = map[string]bool{
	"dbm": true, "mw": true, "uw": true, "nw": true, "c": true, "°c": true, "celsius": true, "degc": true, "v": true, "mv": true,
	"uv": true, "a": true, "ma": true, "ua": true, "s": true, "sec": true, "seconds": true, "b": true, "bytes": true,
}

// parseNumber takes a number with an optional unit word apart; ok is false where it is neither that nor a text for nothing. It
// is stricter than strconv, which also takes 0x10 and Infinity.
func parseNumber(text string) (n number, ok bool) {
	text = strings.TrimSpace(text)
	if len(text) > maxText {
		return n, false
	}
	text = strings.ToLower(strings.NewReplacer("−", "-", "µ", "u", "μ", "u").Replace(text))
	if nothings[text] {
		return number{nothing: true}, true
	}
	end := strings.LastIndexFunc(text, func(r rune) bool { return r >= '0' && r <= '9' }) + 1
	body, unit := text[:end], strings.TrimSpace(text[end:])
	if end == 0 {
		// "-- dBm", "-inf dBm": the unit of nothing.
		word, unit, _ := strings.Cut(text, " ")
		return number{nothing: true}, nothings[word] && units[strings.TrimSpace(unit)]
	}
	if unit != "" && !units[unit] {
		return n, false
	}
	n.unit = unit
	return n, n.scan(body)
}

func (n *number) scan(body string) bool {
	sign := strings.TrimLeft(body, "+-")
	if len(body)-len(sign) > 1 || sign == "" {
		return false
	}
	whole, fraction, point := strings.Cut(sign, ".")
	if !point {
		// A decimal comma is taken, but not where it may part thousands.
		if whole, fraction, point = strings.Cut(sign, ","); point && len(fraction) == 3 {
			return false
		}
		body = strings.Replace(body, ",", ".", 1)
	}
	n.whole = allDigits(whole) && !point
	if n.whole {
		n.digits = whole
	}
	mantissa, exponent, scaled := strings.Cut(whole+fraction, "e")
	if !allDigits(mantissa) || scaled && !allDigits(strings.TrimLeft(exponent, "+-")) {
		return false
	}
	v, err := strconv.ParseFloat(body, 64)
	n.value = v
	return err == nil
}

func allDigits(s string) bool {
	for _, r := range s {
		if r < '0' || r > '9' {
			return false
		}
	}
	return s != ""
}
