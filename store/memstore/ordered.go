package memstore

import (
	"slices"

	"recado/acs"
)

// ordered is a sorted slice: what is added is mostly the newest, so that it is mostly an append.
type ordered[T any] struct {
	compare func(a, b T) int
	items   []T
}

func newOrdered[T any](compare func(a, b T) int) ordered[T] { return ordered[T]{compare: compare} }

// find gives the place of v, or where it belongs.
func (o *ordered[T]) find(v T) (int, bool) { return slices.BinarySearchFunc(o.items, v, o.compare) }

// put adds v, or replaces what is equal to it.
func (o *ordered[T]) put(v T) {
	i, found := o.find(v)
	if found {
		o.items[i] = v
		return
	}
	o.items = slices.Insert(o.items, i, v)
}

func (o *ordered[T]) remove(v T) {
	if i, found := o.find(v); found {
		o.items = slices.Delete(o.items, i, i+1)
	}
}

func (o *ordered[T]) get(v T) (T, bool) {
	if i, found := o.find(v); found {
		return o.items[i], true
	}
	var none T
	return none, false
}

// maxPage is the largest page of a list, and its size where none is given.
const maxPage = 1000

func pageSize(limit int) int {
	if limit <= 0 || limit > maxPage {
		return maxPage
	}
	return limit
}

// page gives at most limit of the items that keep wants, from the newest down, beginning below before (nil: at the newest).
// more tells that at least one more would follow.
func (o *ordered[T]) page(before *T, limit int, keep func(T) bool) (page []T, more bool) {
	i := len(o.items)
	if before != nil {
		i, _ = o.find(*before)
	}
	limit = pageSize(limit)
	for i--; i >= 0; i-- {
		if !keep(o.items[i]) {
			continue
		}
		if len(page) == limit {
			return page, true
		}
		page = append(page, o.items[i])
	}
	return page, false
}

func badCursor() error {
	return &acs.InvalidError{Field: "cursor", Problem: "is not one that this list gave"}
}
