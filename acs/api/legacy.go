package api

import (
	"errors"
	"strings"

	"github.com/labstack/echo/v4"

	"recado/acs"
	"recado/acs/wire"
)

// updateParametersV2 is updateParameters with the device in the path and a list for a body.
func (a *API) updateParametersV2(c echo.Context, who acs.Client) error {
	var in []wire.ParameterUpdate
	raw, err := body(c, &in)
	if err != nil {
		return err
	}
	serial := param(c, "serial")
	params := make([]acs.ParameterInput, len(in))
	for i, p := range in {
		params[i] = acs.ParameterInput{Name: p.Parameter, Value: p.Value, Type: p.Type}
	}
	err = a.submit(c, nil, acs.Submission{
		Client: who, Kind: acs.KindParametersUpdate, RouterID: serial, Parameters: params,
		// The key is bound to the device too, which is not in the body here.
		Body: append([]byte(serial+"\x00"), raw...),
	})
	return inList(err)
}

// inList gives the places of a request whose parameters are all there is in it.
func inList(err error) error {
	var invalid *acs.InvalidError
	if !errors.As(err, &invalid) {
		return err
	}
	field, ok := strings.CutPrefix(invalid.Field, "parameters")
	if !ok {
		return err
	}
	if head, ok := strings.CutSuffix(field, "].name"); ok {
		field = head + "].parameter"
	}
	return &acs.InvalidError{Field: field, Problem: invalid.Problem}
}
