// Package docs embeds the documents that Recado serves itself.
package docs

import _ "embed"

// OpenAPI is the description of the API, docs/openapi.yaml.
//
//go:embed openapi.yaml
var OpenAPI []byte
