// Package live makes the real ends of the wires: AWS clients' settings, one for
// each Region, and Kubernetes clients.
//
// Making them calls nobody. Each Region's clients stand alone: their credentials
// come through that Region's own STS, and a cluster's address and certificate
// come from the settings, so that what is asked of the standby never needs the
// Region that is being left. When a dependency is down, the first call says so;
// nothing here waits for it.
//
// AWS credentials, profiles and AWS_ENDPOINT_URL are found by the AWS SDK's own
// chain, kubeconfig files by client-go's.
package live

import (
	"cmp"
	"context"
	"net"
	"net/http"
	"net/url"
	"time"
)

// Dial opens a connection, as [net.Dialer.DialContext] does.
type Dial func(ctx context.Context, network, address string) (net.Conn, error)

// How long opening a connection may take. A Region that is gone often does not
// refuse, it just does not answer.
const (
	connectTimeout   = 3 * time.Second
	handshakeTimeout = 5 * time.Second
	answerTimeout    = 15 * time.Second
)

// NewDial opens connections, to somewhere else where instead says so: a map from
// the host:port that was asked for to the host:port to connect to. Names, TLS and
// Host headers stay those that were asked for. A nil map changes nothing.
func NewDial(instead map[string]string) Dial {
	d := &net.Dialer{Timeout: connectTimeout, KeepAlive: 15 * time.Second}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		if other, ok := instead[address]; ok {
			address = other
		}
		return d.DialContext(ctx, network, address)
	}
}

// NewProxy is the proxy that the environment names (HTTPS_PROXY, NO_PROXY) for a
// request, as every client of the process takes it. What instead diverts is reached
// directly: through a proxy it would not be diverted.
func NewProxy(instead map[string]string) func(*http.Request) (*url.URL, error) {
	return func(r *http.Request) (*url.URL, error) {
		port := map[string]string{"http": "80", "https": "443"}[r.URL.Scheme]
		if _, diverted := instead[net.JoinHostPort(r.URL.Hostname(), cmp.Or(r.URL.Port(), port))]; diverted {
			return nil, nil
		}
		return http.ProxyFromEnvironment(r)
	}
}
