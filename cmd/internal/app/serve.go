package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"recado/acs"
)

// Names of the loops.
const (
	loopAPI        = "API listener"
	loopCWMP       = "CWMP listener"
	loopSessions   = "CWMP sessions"
	loopConnector  = "connector"
	loopSweeper    = "sweeper"
	loopDispatcher = "webhook dispatcher"
	loopSecrets    = "wiping of old secrets"
	loopReplays    = "replays of webhooks"
	loopPurging    = "purging"
)

// How long each part of a stop may take: 15 s in all, with the longest shutdown delay.
const (
	apiGrace        = 2500 * time.Millisecond
	sessionGrace    = 2500 * time.Millisecond
	loopGrace       = time.Second
	dispatcherDrain = 2500 * time.Millisecond
	dispatcherGrace = dispatcherDrain + time.Second
)

// serve runs all loops until ctx ends or one of them fails, then ends them.
func (a *App) serve(ctx context.Context, p *parts) error {
	polls, endPolls := context.WithCancel(context.Background())
	defer endPolls()
	p.apiHTTP.Handler = endingPolls(p.api, polls)
	p.apiHTTP.TLSConfig, p.cwmpHTTP.TLSConfig = a.apiTLS, a.cwmpTLS

	p.loops.start(ctx, loopDispatcher, p.dispatcher.Run)
	p.loops.start(ctx, loopSweeper, p.sweeper.Run)
	p.loops.start(ctx, loopConnector, p.connector.Run)
	if db, ok := p.db.(acs.Purger); ok {
		p.loops.start(ctx, loopPurging, acs.NewPurging(db, a.log).Run)
	}
	p.loops.start(ctx, loopSecrets, p.webhooks.RunSecrets)
	p.loops.start(ctx, loopReplays, p.webhooks.RunReplays)
	p.loops.start(ctx, loopSessions, p.cwmp.Run)
	p.loops.start(ctx, loopCWMP, serving(p.cwmpHTTP, p.cwmpListener))
	p.loops.start(ctx, loopAPI, serving(p.apiHTTP, p.apiListener))
	a.log.Info("started", "api", p.running.APIURL, "cwmp", p.running.CWMPURL, "store", a.cfg.Store, "cwmp_auth", a.cfg.CWMPAuth, "dev", a.cfg.Dev)
	if a.opts.OnStart != nil {
		a.opts.OnStart(p.running)
	}

	var failure error
	select {
	case <-ctx.Done():
	case failure = <-p.loops.failed:
		a.log.Error("a part failed; stopping", "error", failure)
	}
	err := a.stop(context.WithoutCancel(ctx), p, endPolls, failure == nil)
	a.log.Info("stopped")
	return errors.Join(failure, err)
}

// serving serves l with srv until its context ends; shutting the server down gently is the stop's business, before that.
func serving(srv *http.Server, l net.Listener) func(context.Context) error {
	return func(ctx context.Context) error {
		stop := context.AfterFunc(ctx, func() { srv.Close() })
		defer stop()
		serve := func() error { return srv.Serve(l) }
		if srv.TLSConfig != nil {
			serve = func() error { return srv.ServeTLS(l, "", "") }
		}
		if err := serve(); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		<-ctx.Done()
		return nil
	}
}

// stop ends all parts in order: what lets work in first, what keeps it last.
func (a *App) stop(ctx context.Context, p *parts, endPolls func(), gentle bool) error {
	a.log.Info("stopping")
	a.stopping.Store(true)
	if gentle && a.cfg.ShutdownDelay > 0 {
		time.Sleep(a.cfg.ShutdownDelay) // balancers see /readyz meanwhile, and new requests are still served
	}
	var errs []error
	step := func(grace time.Duration, f func(context.Context) error) {
		ctx, cancel := context.WithTimeout(ctx, grace)
		defer cancel()
		errs = append(errs, f(ctx))
	}
	endPolls()
	step(apiGrace, func(ctx context.Context) error { a.shutdown(ctx, p.apiHTTP, loopAPI); return nil })
	step(loopGrace, func(ctx context.Context) error { return p.loops.stop(ctx, loopAPI) })
	step(loopGrace, p.api.Close)
	step(sessionGrace, func(ctx context.Context) error {
		if p.cwmp.Drain(ctx) != nil {
			a.log.Info("CWMP sessions are cut off", "open", p.cwmp.Sessions())
		}
		return nil
	})
	// Ended sessions leave their connections open and idle: those are closed at once.
	step(loopGrace, func(ctx context.Context) error { a.shutdown(ctx, p.cwmpHTTP, loopCWMP); return nil })
	step(loopGrace, func(ctx context.Context) error {
		return p.loops.stop(ctx, loopCWMP, loopSessions, loopConnector, loopSweeper, loopPurging, loopSecrets, loopReplays)
	})
	step(dispatcherGrace, func(ctx context.Context) error { return p.loops.stop(ctx, loopDispatcher) })
	return errors.Join(errs...)
}

// shutdown ends a server gently, and cuts off what outlasts ctx.
func (a *App) shutdown(ctx context.Context, srv *http.Server, name string) {
	if err := srv.Shutdown(ctx); err != nil {
		a.log.Warn("connections are cut off", "of", name)
		srv.Close()
	}
}

// ready is what /readyz asks.
func (a *App) ready(ctx context.Context, p *parts) error {
	if a.stopping.Load() {
		return errors.New("the server is stopping")
	}
	if name := p.loops.stopped(); name != "" {
		return fmt.Errorf("%s stands still", name)
	}
	return p.service.Ready(ctx)
}

// endingPolls ends requests that wait for a change when polls ends: they would hold up a stop for up to a minute.
func endingPolls(next http.Handler, polls context.Context) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Has("wait") {
			ctx, cancel := context.WithCancel(r.Context())
			defer cancel()
			defer context.AfterFunc(polls, cancel)()
			r = r.WithContext(ctx)
		}
		next.ServeHTTP(w, r)
	})
}
