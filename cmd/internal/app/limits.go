package app

import (
	"cmp"
	"fmt"
	"time"
)

// Bounds of the limits. Below the least, devices and clients that do nothing wrong would be refused; above the most, a limit would
// protect from nothing.
const (
	minMaxBody, maxMaxBody         = 64 * KiB, 64 * MiB // the Inform of some devices has 30 KiB and more
	minMaxDepth, maxMaxDepth       = 16, 1024           // a fault that names a parameter has 8 levels
	minMaxElements, maxMaxElements = 1000, 10_000_000

	minMessageTimeout, maxMessageTimeout       = time.Second, 10 * time.Minute
	minSessionTimeout, maxSessionTimeout       = 5 * time.Second, 10 * time.Minute
	minMaxSessionTimeout, maxMaxSessionTimeout = 30 * time.Second, time.Hour // a CPE asks for 30 s or more (TR-069 Table 4)

	minRequestTimeout, maxRequestTimeout   = 500 * time.Millisecond, time.Minute
	minRequestInterval, maxRequestInterval = time.Second, 10 * time.Minute // to which a device that fails is backed off anyway
	minRequestParallel, maxRequestParallel = 1, 4096

	minAPIReadTimeout, maxAPIReadTimeout = time.Second, 10 * time.Minute
	minAPIMaxWait, maxAPIMaxWait         = time.Second, 10 * time.Minute

	minHostRate, maxHostRate = 1, 100_000
)

// checkLimits checks each limit, and those that have to go together.
func (c *Config) checkLimits() []error {
	errs := []error{
		within("cwmp-max-body", c.CWMPMaxBody, minMaxBody, maxMaxBody),
		within("cwmp-max-depth", c.CWMPMaxDepth, minMaxDepth, maxMaxDepth),
		within("cwmp-max-elements", c.CWMPMaxElements, minMaxElements, maxMaxElements),
		within("cwmp-message-timeout", c.CWMPMessageTimeout, minMessageTimeout, maxMessageTimeout),
		within("cwmp-session-timeout", c.CWMPSessionTimeout, minSessionTimeout, maxSessionTimeout),
		within("cwmp-max-session-timeout", c.CWMPMaxSessionTimeout, minMaxSessionTimeout, maxMaxSessionTimeout),
		within("connection-request-timeout", c.ConnectionRequestTimeout, minRequestTimeout, maxRequestTimeout),
		within("connection-request-interval", c.ConnectionRequestInterval, minRequestInterval, maxRequestInterval),
		within("connection-request-parallel", c.ConnectionRequestParallel, minRequestParallel, maxRequestParallel),
		within("api-read-timeout", c.APIReadTimeout, minAPIReadTimeout, maxAPIReadTimeout),
		within("api-max-wait", c.APIMaxWait, minAPIMaxWait, maxAPIMaxWait),
		within("webhook-host-rate", c.WebhookHostRate, minHostRate, maxHostRate),
	}
	if c.CWMPMaxSessionTimeout < c.CWMPSessionTimeout {
		errs = append(errs, badField("cwmp-max-session-timeout", "%s is less than --cwmp-session-timeout %s; want at least as much",
			c.CWMPMaxSessionTimeout, c.CWMPSessionTimeout))
	}
	if c.ConnectionRequestInterval < c.ConnectionRequestTimeout {
		errs = append(errs, badField("connection-request-interval", "%s is less than --connection-request-timeout %s: one request would follow "+
			"the other without a pause; want at least as much", c.ConnectionRequestInterval, c.ConnectionRequestTimeout))
	}
	return errs
}

func within[T cmp.Ordered](field string, v, least, most T) error {
	if v >= least && v <= most {
		return nil
	}
	return badField(field, "%s is out of range; want %s to %s", fmt.Sprint(v), fmt.Sprint(least), fmt.Sprint(most))
}
