package acs

import (
	"context"
	"fmt"
	"slices"

	"recado/cwmp"
)

// verifyBatch is how many names are read back at once; some devices cut longer answers off silently.
const verifyBatch = 100

// verification reads back what an update set.
type verification struct {
	action Action
	todo   [][]string
	asked  []string

	mismatched, unverifiable []string
}

func newVerification(a Action) *verification {
	names := make([]string, len(a.Parameters))
	for i, p := range a.Parameters {
		names[i] = p.Name
	}
	return &verification{action: a, todo: slices.Collect(slices.Chunk(names, verifyBatch))}
}

func (h *Sessions) nextVerify(c *conversation, a *Action) cwmp.Message {
	if c.verify == nil || c.verify.action.ID != a.ID {
		c.verify = newVerification(*a)
	}
	return c.readBack()
}

// lateVerify goes on reading back what an action set that has come to its deadline in this session, nil where there is nothing to read:
// what is found is its late result. The reading changes nothing on the device. A later session cannot do it, since the values are gone.
func (h *Sessions) lateVerify(c *conversation, live []Action) cwmp.Message {
	if c.verify == nil || !slices.ContainsFunc(live, func(a Action) bool { return a.ID == c.verify.action.ID && a.watched() }) {
		return nil
	}
	return c.readBack()
}

// readBack asks for the next names, or again for those that were not answered.
func (c *conversation) readBack() cwmp.Message {
	v := c.verify
	if len(v.todo) > 0 {
		v.asked, v.todo = v.todo[0], v.todo[1:]
	}
	c.purpose = purposeVerify
	return &cwmp.GetParameterValues{ParameterNames: v.asked}
}

// verifyAnswer compares what was read with what was set; a batch that the device refuses is read in halves, so that one name does not
// hide the others.
func (h *Sessions) verifyAnswer(ctx context.Context, c *conversation, response cwmp.Message) error {
	v := c.verify
	switch m := response.(type) {
	case *cwmp.GetParameterValuesResponse:
		v.compare(m.ParameterList)
	case *cwmp.Fault:
		switch {
		case len(v.asked) > 1:
			half := len(v.asked) / 2
			v.todo = append([][]string{v.asked[:half], v.asked[half:]}, v.todo...)
		case m.FaultCode == cwmp.FaultInvalidName:
			v.mismatched = append(v.mismatched, v.asked[0]) // it took the value of a name that it does not know
		default:
			v.unverifiable = append(v.unverifiable, v.asked[0])
		}
	default:
		return fmt.Errorf("answer %s to GetParameterValues has no meaning", response.Method())
	}
	if len(v.todo) > 0 {
		return nil
	}
	c.verify = nil
	c.done++
	return h.s.conclude(ctx, v.action, v.verdict())
}

func (v *verification) compare(list []cwmp.ParameterValue) {
	got := make(map[string]cwmp.ParameterValue, len(list))
	for _, p := range list {
		got[p.Name] = p
	}
	for _, name := range v.asked {
		i := slices.IndexFunc(v.action.Parameters, func(p Parameter) bool { return p.Name == name })
		set := v.action.Parameters[i]
		read, there := got[name]
		switch {
		case !there:
			v.mismatched = append(v.mismatched, name)
		case Hidden(name) && (read.Value == "" || masked(read.Value)):
			v.unverifiable = append(v.unverifiable, name)
		case !sameValue(set.Type, set.Value, read.Value):
			v.mismatched = append(v.mismatched, name)
		}
	}
}

// masked reports whether a value is the row of stars that some devices show for a secret.
func masked(s string) bool {
	for _, r := range s {
		if r != '*' {
			return false
		}
	}
	return s != ""
}

func (v *verification) verdict() verdict {
	out := verdict{status: StatusSuccess, applied: v.action.Applied, unverifiable: v.unverifiable, detail: "the values read back are the ones set"}
	switch {
	case len(v.mismatched) > 0:
		out.status, out.reason, out.mismatched = StatusFailure, ReasonVerifyMismatch, v.mismatched
		out.detail = "the device took the values, but some read back differ"
		out.fault = &Fault{Source: "acs", Code: cwmp.FaultInvalidValue, String: "value read back differs from the one set"}
		for _, n := range v.mismatched {
			out.fault.Parameters = append(out.fault.Parameters, ParameterFault{
				Name: n, Code: cwmp.FaultInvalidValue, String: "value read back differs from the one set",
			})
		}
	case len(v.unverifiable) > 0:
		out.verified = len(v.unverifiable) < len(v.action.Parameters)
		out.detail = "the values that can be read back are the ones set"
	default:
		out.verified = true
	}
	return out
}
