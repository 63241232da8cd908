// Package kubeapi is what a connection to a Kubernetes cluster is, a real one or that of
// the pretend world.
package kubeapi

import (
	"context"
	"net"

	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
)

// Client is a connection to one cluster. It may be used by anybody at any time.
type Client struct {
	// Interface reads and changes objects.
	dynamic.Interface
	// HTTP asks the API server for what is no object: /readyz, or what a service
	// answers through its proxy. Errors are those of client-go.
	HTTP rest.Interface
	// Forward opens a connection to a port of a pod by way of the API server, which the
	// pod takes for one of its own machine's. It is closed by whoever asked for it, and ends
	// with ctx. What the API server refuses is an error of client-go's; what the pod does
	// comes out when the connection is read.
	Forward func(ctx context.Context, namespace, pod string, port int) (net.Conn, error)
}
