package api

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/labstack/echo/v4"

	"recado/acs/wire"
)

// Bounds of a natural view.
const (
	maxNaturalPage = 1_000_000
	maxConditions  = 20
	maxNaturalText = 256
)

// naturalQuery is what a natural view is asked for.
type naturalQuery struct {
	size, from int
	sortBy     string
	descending bool
	search     []condition // one of them has to hold; none: all do
	// filters have to hold all; of each, one of its conditions.
	filters [][]condition
}

// condition compares a field of a register.
type condition struct {
	field string // of naturalFields, or fieldStatus
	like  bool
	text  string // in lower case
	is    bool   // of fieldStatus
}

const fieldStatus = "status"

// naturalFields are the texts of a register that can be searched and filtered by.
var naturalFields = []string{
	"serialNumber", "connection.pppoeLogin", "deviceInfo.manufacturer", "deviceInfo.modelName", "deviceInfo.hardwareVersion",
	"deviceInfo.softwareVersion",
}

// naturalSorts are what a natural view can be sorted by.
var naturalSorts = []string{"serialNumber", "lastInform", "created"}

// naturalParameters are those that come once.
var naturalParameters = []string{
	"pagination[pageSize]", "pagination[currentPage]", "sorting[sortBy]", "sorting[sortOrder]", "search[column]", "search[search]",
}

var filterName = regexp.MustCompile(`^filters\[([0-9]{1,3})\]\[([0-9]{1,3})\]\[(type|accessor|operator|value)\]$`)

// filterAt is where a condition stands.
type filterAt struct{ i, j int }

// naturalQueryOf reads the query of a natural view. A parameter that is there and empty is as one that is not.
func naturalQueryOf(c echo.Context) (*naturalQuery, error) {
	values, err := url.ParseQuery(c.Request().URL.RawQuery)
	if err != nil {
		return nil, invalid("query", "is not well formed")
	}
	parts := map[filterAt]map[string]string{}
	for name, given := range values {
		switch m := filterName.FindStringSubmatch(name); {
		case len(given) > 1:
			return nil, invalid(clip(strings.ToValidUTF8(name, "?"), maxPathKey), "comes twice")
		case !utf8.ValidString(given[0]) || len(given[0]) > maxNaturalText:
			return nil, invalid(clip(strings.ToValidUTF8(name, "?"), maxPathKey), fmt.Sprintf("is not valid UTF-8, or has more than %d bytes", maxNaturalText))
		case m != nil:
			i, _ := strconv.Atoi(m[1]) // three digits at the most
			j, _ := strconv.Atoi(m[2])
			at := filterAt{i, j}
			if parts[at] == nil {
				parts[at] = map[string]string{}
			}
			parts[at][m[3]] = given[0]
		case !slices.Contains(naturalParameters, name):
			return nil, invalid(clip(strings.ToValidUTF8(name, "?"), maxPathKey), "is unknown here; known are "+
				strings.Join(naturalParameters, ", ")+", filters[i][j][type|accessor|operator|value]")
		}
	}
	q := &naturalQuery{}
	for _, read := range []func(url.Values) error{q.readPage, q.readSorting, q.readSearch} {
		if err := read(values); err != nil {
			return nil, err
		}
	}
	return q, q.readFilters(parts)
}

func (q *naturalQuery) readPage(v url.Values) error {
	q.size = wire.DefaultPage
	if s := v.Get("pagination[pageSize]"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 || n > wire.MaxPage {
			return invalid("pagination[pageSize]", fmt.Sprintf("want a number from 1 to %d", wire.MaxPage))
		}
		q.size = n
	}
	if s := v.Get("pagination[currentPage]"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 0 || n > maxNaturalPage {
			return invalid("pagination[currentPage]", fmt.Sprintf("want a number from 1 to %d", maxNaturalPage))
		}
		// Whether IXC ACS counts from 0 or from 1 is not known. With both as the first, either way of counting sees all devices.
		q.from = max(n-1, 0) * q.size
	}
	return nil
}

func (q *naturalQuery) readSorting(v url.Values) error {
	q.sortBy = naturalSorts[0]
	if s := v.Get("sorting[sortBy]"); s != "" {
		if !slices.Contains(naturalSorts, s) {
			return invalid("sorting[sortBy]", "want one of "+strings.Join(naturalSorts, ", "))
		}
		q.sortBy = s
	}
	switch s := v.Get("sorting[sortOrder]"); {
	case strings.EqualFold(s, "desc"):
		q.descending = true
	case s != "" && !strings.EqualFold(s, "asc"):
		return invalid("sorting[sortOrder]", "want asc or desc")
	}
	return nil
}

func (q *naturalQuery) readSearch(v url.Values) error {
	column, text := v.Get("search[column]"), v.Get("search[search]")
	if column != "" && !slices.Contains(naturalFields, column) {
		return invalid("search[column]", "want one of "+strings.Join(naturalFields, ", "))
	}
	if text == "" {
		return nil
	}
	columns := naturalFields
	if column != "" {
		columns = []string{column}
	}
	for _, field := range columns {
		q.search = append(q.search, condition{field: field, like: true, text: strings.ToLower(text)})
	}
	return nil
}

func (q *naturalQuery) readFilters(parts map[filterAt]map[string]string) error {
	if len(parts) > maxConditions {
		return invalid("filters", fmt.Sprintf("has %d conditions; at most %d fit", len(parts), maxConditions))
	}
	groups := map[int][]condition{}
	var order []int
	for at, p := range parts {
		one, err := conditionOf(fmt.Sprintf("filters[%d][%d]", at.i, at.j), p)
		if err != nil {
			return err
		}
		if groups[at.i] == nil {
			order = append(order, at.i)
		}
		groups[at.i] = append(groups[at.i], one)
	}
	slices.Sort(order)
	for _, i := range order {
		q.filters = append(q.filters, groups[i])
	}
	return nil
}

func conditionOf(name string, p map[string]string) (condition, error) {
	one := condition{field: p["accessor"]}
	typ, value := p["type"], p["value"]
	switch p["operator"] {
	case "", "equal":
	case "like":
		one.like = true
	default:
		return one, invalid(name+"[operator]", "want equal or like")
	}
	switch {
	case typ != "" && typ != "boolean" && typ != "string":
		return one, invalid(name+"[type]", "want boolean or string")
	case one.field == fieldStatus:
		if typ == "string" || one.like {
			return one, invalid(name, "status is a boolean, and equal is all it can be")
		}
		var err error
		if one.is, err = strconv.ParseBool(strings.ToLower(value)); err != nil {
			return one, invalid(name+"[value]", "want true or false")
		}
		return one, nil
	case !slices.Contains(naturalFields, one.field):
		return one, invalid(name+"[accessor]", "want one of status, "+strings.Join(naturalFields, ", "))
	case typ == "boolean":
		return one, invalid(name+"[type]", "this one is a string")
	}
	one.text = strings.ToLower(value)
	if one.like {
		one.text = strings.Trim(one.text, "%")
	}
	return one, nil
}
