// Package kubeapi is what a connection to a Kubernetes cluster is, a real one or that of
// the pretend world.
package kubeapi

import (
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
}
