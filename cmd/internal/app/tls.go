package app

import (
	"crypto/tls"
	"errors"
	"log/slog"
	"os"
	"sync"
	"time"
)

// certificate is a pair of files that is read again when one of them changed, so that renewing it needs no restart. A pair that
// cannot be read leaves the last good one in use.
type certificate struct {
	certFile, keyFile string
	log               *slog.Logger

	mu      sync.Mutex
	loaded  *tls.Certificate
	stamp   [2]stamp
	checked time.Time
}

type stamp struct {
	modified time.Time
	size     int64
}

// recheck is how often the files are looked at.
const recheck = 5 * time.Second

// newTLSConfig gives nil where no files are named.
func newTLSConfig(certFile, keyFile string, log *slog.Logger) (*tls.Config, error) {
	if certFile == "" {
		return nil, nil
	}
	c := &certificate{certFile: certFile, keyFile: keyFile, log: log}
	if err := c.load(); err != nil {
		return nil, err
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: c.get}, nil
}

func (c *certificate) load() error {
	stamp, err := c.look()
	if err != nil {
		return err
	}
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return err
	}
	c.loaded, c.stamp, c.checked = &pair, stamp, time.Now()
	return nil
}

func (c *certificate) look() (s [2]stamp, err error) {
	for i, name := range []string{c.certFile, c.keyFile} {
		info, e := os.Stat(name)
		if e != nil {
			err = errors.Join(err, e)
			continue
		}
		s[i] = stamp{info.ModTime(), info.Size()}
	}
	return s, err
}

func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.checked) < recheck {
		return c.loaded, nil
	}
	c.checked = time.Now()
	now, err := c.look()
	if err == nil && now == c.stamp {
		return c.loaded, nil
	}
	if err == nil {
		err = c.load()
	}
	if err != nil {
		c.log.Error("certificate cannot be read again; the last one stays in use", "file", c.certFile, "error", err)
		return c.loaded, nil
	}
	c.log.Info("certificate read again", "file", c.certFile)
	return c.loaded, nil
}
