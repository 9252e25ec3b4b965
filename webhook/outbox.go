package webhook

import "context"

type outboxKey struct{}

// WithOutbox makes the next write under the context store what is to be told of it, too: both are stored, or neither is. It is for
// changes whose store method takes no Outbox; the context must be used for that one write alone. An empty outbox changes nothing.
func WithOutbox(ctx context.Context, o Outbox) context.Context {
	if len(o.Events) == 0 && len(o.Deliveries) == 0 {
		return ctx
	}
	return context.WithValue(ctx, outboxKey{}, o)
}

// OutboxFrom gives the context's outbox, false where there is none. Stores ask for it.
func OutboxFrom(ctx context.Context) (Outbox, bool) {
	o, ok := ctx.Value(outboxKey{}).(Outbox)
	return o, ok
}
