package storetest

import (
	"slices"

	"recado/acs"
	"recado/webhook"
)

func sorted(ids []string) []string {
	slices.Sort(ids)
	return ids
}

func mapped[T any](list []T, key func(*T) string) []string {
	out := make([]string, len(list))
	for i := range list {
		out[i] = key(&list[i])
	}
	return out
}

func deviceIDs(list []acs.Device) []string {
	return mapped(list, func(d *acs.Device) string { return d.ID })
}

func endpointIDs(list []webhook.Endpoint) []string {
	return mapped(list, func(e *webhook.Endpoint) string { return e.ID })
}

func deliveryIDs(list []webhook.Delivery) []string {
	return mapped(list, func(d *webhook.Delivery) string { return d.ID })
}

func leasedIDs(list []webhook.Lease) []string {
	return mapped(list, func(l *webhook.Lease) string { return l.Delivery.ID })
}

func reversed[T any](list []T) []T {
	list = slices.Clone(list)
	slices.Reverse(list)
	return list
}
