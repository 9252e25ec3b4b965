package boltstore

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"time"
	"unicode"
	"unicode/utf8"

	bolt "go.etcd.io/bbolt"

	"recado/acs"
	"recado/webhook"
)

// dumped is a line of a dump.
type dumped struct {
	Bucket string          `json:"bucket"`
	Key    string          `json:"key"`
	Value  json.RawMessage `json:"value"`
}

// Dump writes every record of the store at path, both files, as a JSON line {"bucket", "key", "value"}. What is sealed is
// shown as "(sealed)"; no key is needed. The store must not be open elsewhere (ErrLocked); it is opened for reading only. Of
// Options only Timeout counts.
func Dump(w io.Writer, path string, o Options) error {
	if o.Timeout <= 0 {
		o.Timeout = time.Second
	}
	out := bufio.NewWriter(w)
	err := dumpFile(out, path, kindMain, mainBuckets, o)
	if err != nil {
		return err
	}
	there, err := exists(devicesPath(path))
	if err == nil && there {
		err = dumpFile(out, devicesPath(path), kindDevices, devicesBuckets, o)
	}
	return errors.Join(err, out.Flush())
}

func dumpFile(w io.Writer, path, kind string, buckets []string, o Options) error {
	db, err := openFile(path, kind, buckets, o.Timeout, true)
	if err != nil {
		return err
	}
	lines := json.NewEncoder(w)
	lines.SetEscapeHTML(false)
	err = guarded(func() error {
		return db.View(func(tx *bolt.Tx) error {
			return tx.ForEach(func(name []byte, b *bolt.Bucket) error {
				bucket := string(name)
				return b.ForEach(func(k, v []byte) error {
					return lines.Encode(dumped{bucket, showKey(bucket, k), showValue(bucket, k, v)})
				})
			})
		})
	})
	return errors.Join(err, db.Close())
}

func showKey(bucket string, k []byte) string {
	switch bucket {
	case bucketAct:
		if len(k) == 16 {
			return acs.Protocolo(k).String()
		}
	case bucketDue, bucketIdem:
		if at, id, ok := splitStamped(k); ok {
			return fromNano(at).Format(time.RFC3339Nano) + " " + id.String()
		}
	case bucketEvt:
		return showID(prefixEvent, k)
	case bucketDlv, bucketPend, bucketDead:
		return showID(prefixDelivery, k)
	case bucketStat:
		if hour, ok := tallyHour(k); ok {
			return webhook.HourStart(hour).Format(time.RFC3339) + " " + showText(k[8:])
		}
	case bucketReplay, bucketRunning:
		return showID(prefixReplay, k)
	case bucketAtt:
		if n := len(k) - 4; n > 0 {
			return showID(prefixDelivery, k[:n]) + " " + strconv.Itoa(int(binary.BigEndian.Uint32(k[n:])))
		}
	case bucketName, bucketFname:
		if n := len(nameKey(0, "")); len(k) > n {
			return string(k[:1]) + " " + hex.EncodeToString(k[1:n]) + " " + showText(k[n:])
		}
	case bucketTok:
		// Enough to tell them apart.
		return clipped(showText(k))
	case bucketAudit:
		if len(k) == 8 {
			return strconv.FormatUint(binary.BigEndian.Uint64(k), 10)
		}
	case bucketQuota:
		if day, ok := quotaDay(k); ok {
			return day.Start().Format(time.DateOnly) + " " + showText(k[8:])
		}
	case bucketSeqLog:
		if len(k) == 8 {
			return strconv.FormatInt(keyTime(k), 10)
		}
	case bucketTset:
		return hex.EncodeToString(k)
	}
	return showText(k)
}

func clipped(s string) string {
	const shown = 8
	if len(s) <= shown {
		return s
	}
	return s[:shown] + "…"
}

// hideHash hides the hash of a client's secret or of a token: who has it can try guesses.
func hideHash(fields map[string]json.RawMessage, part, name string) {
	var in map[string]json.RawMessage
	if json.Unmarshal(fields[part], &in) != nil || in[name] == nil {
		return
	}
	in[name] = json.RawMessage(shownHashed)
	if text, err := json.Marshal(in); err == nil {
		fields[part] = text
	}
}

func showID(prefix string, k []byte) string {
	if len(k) > 0 && k[0] == oddID {
		return showText(k[1:])
	}
	return prefix + hex.EncodeToString(k)
}

// showText gives text as it is, anything else in hex.
func showText(b []byte) string {
	if utf8.Valid(b) {
		for _, r := range string(b) {
			if !unicode.IsPrint(r) {
				return hex.EncodeToString(b)
			}
		}
		return string(b)
	}
	return hex.EncodeToString(b)
}

const (
	shownSealed = `"(sealed)"`
	shownHashed = `"(hashed)"`
)

func showValue(bucket string, k, v []byte) json.RawMessage {
	var fields map[string]json.RawMessage
	switch {
	case bucket == bucketMeta && string(k) == string(keyProof):
		return json.RawMessage(shownSealed)
	case bucket == bucketMeta && string(k) == string(keyCommits) && len(v) == 8:
		return json.RawMessage(strconv.FormatUint(binary.BigEndian.Uint64(v), 10))
	case bucket == bucketMeta && len(v) == auditMarkLen && (string(k) == string(keyAuditHead) || string(k) == string(keyAuditAnchor)):
		return quoted(strconv.FormatUint(binary.BigEndian.Uint64(v), 10) + ":" + hex.EncodeToString(v[8:]))
	case bucket == bucketAudit:
		return showAudit(k, v)
	case json.Unmarshal(v, &fields) == nil && fields != nil:
		if _, ok := fields["sealed"]; ok {
			fields["sealed"] = json.RawMessage(shownSealed)
		}
		hideHash(fields, "c", "secret_hash")
		hideHash(fields, "t", "hash")
		text, err := json.Marshal(fields)
		if err == nil {
			return text
		}
	}
	return quoted(showText(v))
}

func quoted(s string) json.RawMessage {
	text, err := json.Marshal(s)
	if err != nil {
		return json.RawMessage("null")
	}
	return text
}

// dumpedAct is an entry of the audit record, with the names that the API has for its fields, but for sha256, its hash: "hash" is what secrets are kept as.
type dumpedAct struct {
	Time  time.Time `json:"time"`
	Actor struct {
		Client    string `json:"client,omitempty"`
		Name      string `json:"name,omitempty"`
		Source    string `json:"source,omitempty"`
		RequestID string `json:"request_id,omitempty"`
		Via       string `json:"via"`
	} `json:"actor"`
	Act     string            `json:"act"`
	Object  string            `json:"object"`
	Client  string            `json:"client,omitempty"`
	Details map[string]string `json:"details,omitempty"`
	Hash    string            `json:"sha256"`
}

func showAudit(k, v []byte) json.RawMessage {
	e, err := decodeAudit(k, v)
	if err != nil {
		return quoted(hex.EncodeToString(v))
	}
	d := dumpedAct{Time: e.Time, Act: e.Act, Object: e.Object, Client: e.Client, Details: e.Details, Hash: hex.EncodeToString(e.Hash[:])}
	a := &d.Actor
	a.Client, a.Name, a.Source, a.RequestID, a.Via = e.Actor.Client, e.Actor.ClientName, e.Actor.Source, e.Actor.RequestID, e.Actor.Via
	text, err := json.Marshal(d)
	if err != nil {
		return json.RawMessage("null")
	}
	return text
}
