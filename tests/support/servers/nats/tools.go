//go:build tools

// The server that the benchmarks compare with, pinned by go.mod and go.sum.
package tools

import _ "github.com/nats-io/nats-server/v2"
