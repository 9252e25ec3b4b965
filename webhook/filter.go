package webhook

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/vm"
)

// Bounds of a filter. They keep what one event can cost small: the number of steps is at most the nodes times the longest list of the
// event, since a list is never gone through inside another.
const (
	MaxExpression   = 1000 // bytes
	maxNodes        = 150
	maxFilterMemory = 100_000 // elements made in one evaluation
	MaxIgnoreFaults = 100
)

// filterBuiltins are the functions that an expression may call. None depends on anything but its arguments.
var filterBuiltins = []string{"all", "any", "none", "one", "count", "filter", "len", "lower", "upper", "trim", "hasPrefix", "hasSuffix", "abs", "int", "float", "string"}

// Names of priorities, as expressions and the API have them.
var priorityNames = map[Priority]string{PriorityLow: "low", PriorityNormal: "normal", PriorityHigh: "high"}

// String gives the name: low, normal or high.
func (p Priority) String() string { return priorityNames[min(max(p, PriorityLow), PriorityHigh)] }

// ParsePriority reads a name.
func ParsePriority(name string) (Priority, bool) {
	for p, n := range priorityNames {
		if n == name {
			return p, true
		}
	}
	return 0, false
}

// IsZero reports whether the filter lets everything through.
func (f Filter) IsZero() bool {
	return f.Expression == "" && len(f.IgnoreFaults) == 0 && f.MinPriority == nil
}

// Match reports whether an endpoint with this filter gets the event. Where the expression cannot be evaluated on it (a text is
// compared with a number, say) the answer is true with the error: an event is rather sent in vain than lost.
func (f Filter) Match(e Event) (bool, error) {
	if f.MinPriority != nil && e.Priority < *f.MinPriority {
		return false, nil
	}
	if f.Expression == "" && len(f.IgnoreFaults) == 0 {
		return true, nil
	}
	env := map[string]any{}
	if err := json.Unmarshal(e.Bytes(), &env); err != nil {
		return true, errors.New("the event's body is no JSON object")
	}
	if code, ok := field(field(env["data"], "fault"), "code").(float64); ok && slices.Contains(f.IgnoreFaults, int(code)) {
		return false, nil
	}
	if f.Expression == "" {
		return true, nil
	}
	program, err := programs.get(f.Expression)
	if err != nil {
		return true, err
	}
	for name := range filterEnv {
		if _, text := filterEnv[name].(string); text && env[name] == nil {
			env[name] = ""
		}
	}
	env["priority"] = e.Priority.String()
	machine := vm.VM{MemoryBudget: maxFilterMemory}
	got, err := machine.Run(program, env)
	if err != nil {
		return true, fmt.Errorf("the expression cannot be evaluated: %s", expressionProblem(err))
	}
	yes, ok := got.(bool)
	if !ok {
		return true, fmt.Errorf("the expression gives %T, want true or false", got)
	}
	return yes, nil
}

// checkFilter checks a filter for an endpoint with these event filters: its form, and that the fields of data that it names are in
// at least one of the events that could come.
func (c Catalogue) checkFilter(f Filter, events []string) error {
	if len(f.IgnoreFaults) > MaxIgnoreFaults {
		return invalid("filter.ignore_fault_codes", "may have at most %d codes, got %d", MaxIgnoreFaults, len(f.IgnoreFaults))
	}
	if f.MinPriority != nil && (*f.MinPriority < PriorityLow || *f.MinPriority > PriorityHigh) {
		return invalid("filter.min_priority", "must be low, normal or high")
	}
	if f.Expression == "" {
		return nil
	}
	if len(f.Expression) > MaxExpression {
		return invalid("filter.expression", "may have at most %d bytes, got %d", MaxExpression, len(f.Expression))
	}
	var paths [][]string
	if _, err := compileFilter(f.Expression, &paths); err != nil {
		return invalid("filter.expression", "%s", expressionProblem(err))
	}
	for _, path := range paths {
		if !c.knowsField(path, events) {
			return invalid("filter.expression", "no event that this endpoint gets has %s; GET /api/v1/event-types shows the fields of each",
				strings.Join(path, "."))
		}
	}
	return nil
}

// filterEnv are the names at the top of an event; data is open.
var filterEnv = map[string]any{
	"type": "", "id": "", "timestamp": "", "protocolo": "", "router_id": "", "status": "", "priority": "", "data": map[string]any{},
}

// compileFilter compiles an expression. It puts the fields that the expression names, from the top, into paths if that is not nil.
func compileFilter(text string, paths *[][]string) (*vm.Program, error) {
	rules := &filterRules{}
	lenient := &lenientFields{}
	options := []expr.Option{
		expr.Env(filterEnv), expr.AsBool(), expr.MaxNodes(maxNodes), expr.DisableAllBuiltins(),
		expr.Patch(rules), expr.Patch(lenient),
		expr.Function(fieldFunction, func(p ...any) (any, error) { return field(p[0], p[1]), nil }, new(func(any, any) any)),
		expr.Function(listFunction, func(p ...any) (any, error) { return orEmpty(p[0]), nil }, new(func(any) any)),
		expr.Function(textFunction, func(p ...any) (any, error) { return orNoText(p[0]), nil }, new(func(any) any)),
		expr.Function(compareFunction, compare, new(func(string, any, any) bool)),
	}
	for _, b := range filterBuiltins {
		options = append(options, expr.EnableBuiltin(b))
	}
	program, err := expr.Compile(text, options...)
	if err == nil {
		err = rules.broken
	}
	if err != nil {
		return nil, err
	}
	if paths != nil {
		*paths = rules.paths
	}
	return program, nil
}

// filterRules looks for what an expression may not do, and for the fields that it names.
type filterRules struct {
	paths  [][]string
	broken error
}

// Visit implements ast.Visitor; it is called for the children first.
func (r *filterRules) Visit(node *ast.Node) {
	switch n := (*node).(type) {
	case *ast.PredicateNode:
		inner := ast.Find(n.Node, func(other ast.Node) bool {
			_, is := other.(*ast.PredicateNode)
			return is
		})
		if inner != nil {
			r.forbid(*node, "a list may not be gone through inside another")
		}
	case *ast.BinaryNode:
		switch {
		case n.Operator == "..":
			r.forbid(*node, "ranges (a..b) are not allowed")
		case n.Operator == "matches":
			if _, constant := n.Right.(*ast.StringNode); !constant {
				r.forbid(*node, "the pattern of matches must be a text in the expression itself")
			}
		}
	case *ast.CallNode:
		// Functions are called as builtins; what is left are methods and fields.
		if id, ok := n.Callee.(*ast.IdentifierNode); !ok || !strings.HasPrefix(id.Value, "$") {
			r.forbid(*node, "only these functions can be called: "+strings.Join(filterBuiltins, ", "))
		}
	case *ast.MemberNode:
		path := memberPath(n)
		if len(path) > 1 && path[0] == "$env" {
			path = path[1:]
		}
		if len(path) > 1 && filterEnv[path[0]] != nil {
			r.paths = append(r.paths, path)
		}
	}
}

func (r *filterRules) forbid(at ast.Node, problem string) {
	if r.broken == nil {
		r.broken = &file.Error{Location: at.Location(), Line: 1, Column: at.Location().From, Message: problem}
	}
}

// memberPath is data.a.b as its names; nil where it does not begin at the top or is not all names.
func memberPath(n *ast.MemberNode) []string {
	name, ok := n.Property.(*ast.StringNode)
	if !ok {
		return nil
	}
	switch of := n.Node.(type) {
	case *ast.IdentifierNode:
		return []string{of.Value, name.Value}
	case *ast.ChainNode:
		if inner, ok := of.Node.(*ast.MemberNode); ok {
			if path := memberPath(inner); path != nil {
				return append(path, name.Value)
			}
		}
	case *ast.MemberNode:
		if path := memberPath(of); path != nil {
			return append(path, name.Value)
		}
	}
	return nil
}

// What lenientFields puts into expressions. Written in one by hand, they do no harm.
const (
	fieldFunction   = "$field"
	listFunction    = "$list"
	textFunction    = "$text"
	compareFunction = "$compare"
)

// lenientFields lets what is null or absent be there quietly, as most events lack most fields. A field of null is null: of a success
// data.fault.code is null, not an error. Null is neither smaller nor greater than anything, a list without members and a text without
// characters.
type lenientFields struct{}

// Visit implements ast.Visitor.
func (*lenientFields) Visit(node *ast.Node) {
	call := func(name string, arguments ...ast.Node) ast.Node {
		return &ast.CallNode{Callee: &ast.IdentifierNode{Value: name}, Arguments: arguments}
	}
	switch n := (*node).(type) {
	case *ast.MemberNode:
		ast.Patch(node, call(fieldFunction, n.Node, n.Property))
	case *ast.BuiltinNode:
		if len(n.Arguments) == 2 {
			if _, goes := n.Arguments[1].(*ast.PredicateNode); goes {
				n.Arguments[0] = call(listFunction, n.Arguments[0])
			}
		}
	case *ast.BinaryNode:
		switch n.Operator {
		case "<", ">", "<=", ">=":
			ast.Patch(node, call(compareFunction, &ast.StringNode{Value: n.Operator}, n.Left, n.Right))
		case "contains", "startsWith", "endsWith", "matches":
			n.Left = call(textFunction, n.Left)
		case "in":
			if _, literal := n.Right.(*ast.ArrayNode); !literal {
				n.Right = call(listFunction, n.Right)
			}
		}
	}
}

func orEmpty(v any) any {
	if v == nil {
		return []any{}
	}
	return v
}

func orNoText(v any) any {
	if v == nil {
		return ""
	}
	return v
}

// compare compares two numbers or two texts.
func compare(p ...any) (any, error) {
	operator, _ := p[0].(string)
	a, b := p[1], p[2]
	if a == nil || b == nil {
		return false, nil
	}
	var order int
	x, xNumber := number(a)
	y, yNumber := number(b)
	s, sText := a.(string)
	t, tText := b.(string)
	switch {
	case xNumber && yNumber:
		order = cmp.Compare(x, y)
	case sText && tText:
		order = cmp.Compare(s, t)
	default:
		return false, fmt.Errorf("%s compares two numbers or two texts, and one side is neither or of the other kind", operator)
	}
	switch operator {
	case "<":
		return order < 0, nil
	case ">":
		return order > 0, nil
	case "<=":
		return order <= 0, nil
	}
	return order >= 0, nil
}

func number(v any) (float64, bool) {
	switch n := v.(type) {
	case float64:
		return n, true
	case int:
		return float64(n), true
	}
	return 0, false
}

// field gives a member of an object or of a list, nil where there is none.
func field(of, key any) any {
	switch of := of.(type) {
	case map[string]any:
		if name, ok := key.(string); ok {
			return of[name]
		}
	case []any:
		i, ok := key.(int)
		if f, float := key.(float64); float && f == float64(int(f)) {
			i, ok = int(f), true
		}
		if ok && i < 0 {
			i += len(of)
		}
		if ok && i >= 0 && i < len(of) {
			return of[i]
		}
	}
	return nil
}

// expressionProblem is the error without the drawing of the place that comes with it: one line, with the place in numbers.
func expressionProblem(err error) string {
	var at *file.Error
	if errors.As(err, &at) {
		return fmt.Sprintf("%s (at character %d)", at.Message, at.Column+1)
	}
	first, _, _ := strings.Cut(err.Error(), "\n")
	return first
}

// programs keeps what was compiled, since the same few expressions meet every event.
var programs = &programCache{by: map[string]*vm.Program{}}

const maxPrograms = 1000

type programCache struct {
	mu sync.RWMutex
	by map[string]*vm.Program
}

func (c *programCache) get(text string) (*vm.Program, error) {
	c.mu.RLock()
	p := c.by[text]
	c.mu.RUnlock()
	if p != nil {
		return p, nil
	}
	p, err := compileFilter(text, nil)
	if err != nil {
		return nil, fmt.Errorf("the expression cannot be read: %s", expressionProblem(err))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.by) >= maxPrograms {
		clear(c.by)
	}
	c.by[text] = p
	return p, nil
}
