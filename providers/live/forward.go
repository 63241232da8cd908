package live

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/gorilla/websocket"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	constants "k8s.io/apimachinery/pkg/util/portforward"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/streaming/pkg/httpstream"
	"k8s.io/streaming/pkg/httpstream/spdy"
)

// tunnel is what port-forwarding is called as a subprotocol of WebSocket: SPDY within, as
// kubectl has it from Kubernetes 1.31 on. What came before needs a transport of client-go's
// that dials by itself.
const tunnel = constants.WebsocketsSPDYTunnelingPrefix + constants.PortForwardV1Name

// forwarding opens connections to pods by way of a cluster's API server. Nothing listens
// for them here.
func forwarding(cfg *rest.Config) func(ctx context.Context, namespace, pod string, port int) (net.Conn, error) {
	return func(ctx context.Context, namespace, pod string, port int) (net.Conn, error) {
		at, err := url.Parse(cfg.Host)
		if err != nil {
			return nil, fmt.Errorf("read the address of the cluster: %w", err)
		}
		at = at.JoinPath("api", "v1", "namespaces", namespace, "pods", pod, "portforward")
		web, err := upgrade(ctx, cfg, at, pod)
		if err != nil {
			return nil, err
		}
		conn, err := spdy.NewClientConnection(portforward.NewTunnelingConnection("client", web))
		if err != nil {
			_ = web.Close() // it is of no use
			return nil, fmt.Errorf("forward a port of %s: %w", pod, err)
		}
		f := &forwarded{conn: conn, told: make(chan struct{}), pod: pod, port: port}
		f.stop = context.AfterFunc(ctx, func() { _ = conn.Close() })
		if err := f.open(); err != nil {
			_ = f.Close() // it is of no use
			return nil, fmt.Errorf("forward port %d of %s: %w", port, pod, err)
		}
		return f, nil
	}
}

// upgrade asks for a tunnel as the cluster's other requests ask: with its credentials, its
// certificate, its dialler and its proxy.
func upgrade(ctx context.Context, cfg *rest.Config, at *url.URL, pod string) (*websocket.Conn, error) {
	tls, err := rest.TLSConfigFor(cfg)
	if err != nil {
		return nil, fmt.Errorf("read the certificates of the cluster: %w", err)
	}
	hand := &handshake{dialer: websocket.Dialer{
		NetDialContext: cfg.Dial, Proxy: cfg.Proxy, TLSClientConfig: tls, Subprotocols: []string{tunnel},
	}}
	all, err := rest.HTTPWrappersForConfig(cfg, hand)
	if err != nil {
		return nil, fmt.Errorf("read the credentials of the cluster: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at.String(), nil)
	if err != nil {
		return nil, fmt.Errorf("forward a port of %s: %w", pod, err)
	}
	resp, err := bounded{next: all}.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }() // it has been read, or belongs to the tunnel
	switch {
	case hand.conn == nil:
		return nil, refusal(resp, pod)
	case hand.conn.Subprotocol() != tunnel:
		_ = hand.conn.Close() // it is of no use
		return nil, fmt.Errorf("forward a port of %s: the cluster does not speak %s: it is older than Kubernetes 1.31", pod, tunnel)
	}
	return hand.conn, nil
}

// handshake is the transport of one request that becomes a WebSocket, or is refused.
type handshake struct {
	dialer websocket.Dialer
	conn   *websocket.Conn
}

// RoundTrip connects. An answer that refuses is no error, as for any transport.
func (h *handshake) RoundTrip(r *http.Request) (*http.Response, error) {
	at := *r.URL
	at.Scheme = map[string]string{"https": "wss", "http": "ws"}[at.Scheme]
	conn, resp, err := h.dialer.DialContext(r.Context(), at.String(), r.Header)
	if errors.Is(err, websocket.ErrBadHandshake) && resp != nil {
		return resp, nil
	}
	if err != nil {
		return nil, err
	}
	if r.Context().Err() != nil { // nobody waits for it any more
		_ = conn.Close()
		return nil, context.Cause(r.Context())
	}
	h.conn = conn
	return resp, nil
}

// refusal is an answer without a tunnel, as client-go has it.
func refusal(resp *http.Response, pod string) error {
	body, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	var status metav1.Status
	if err == nil && json.Unmarshal(body, &status) == nil && status.Status == metav1.StatusFailure {
		return &apierrors.StatusError{ErrStatus: status}
	}
	return apierrors.NewGenericServerResponse(resp.StatusCode, "get", schema.GroupResource{Resource: "pods/portforward"}, pod, string(body), 0, true)
}

// forwarded is a connection to a port of a pod: a stream of data, and one that tells what
// is wrong with it.
type forwarded struct {
	conn httpstream.Connection
	data httpstream.Stream
	pod  string
	port int
	stop func() bool

	told  chan struct{} // closed once fault is all that will be told
	fault error
	once  sync.Once
}

func (f *forwarded) open() error {
	headers := http.Header{}
	headers.Set(corev1.PortHeader, strconv.Itoa(f.port))
	headers.Set(corev1.PortForwardRequestIDHeader, "0")
	headers.Set(corev1.StreamType, corev1.StreamTypeError)
	faults, err := f.conn.CreateStream(headers)
	if err != nil {
		return err
	}
	_ = faults.Close() // nothing is written to it
	headers.Set(corev1.StreamType, corev1.StreamTypeData)
	if f.data, err = f.conn.CreateStream(headers); err != nil {
		return err
	}
	go func() { // ends with the connection
		said, _ := io.ReadAll(io.LimitReader(faults, 64<<10)) // what was read counts
		if len(said) > 0 {
			f.fault = fmt.Errorf("port %d of %s: %s", f.port, f.pod, said)
		}
		close(f.told)
		if f.fault != nil {
			_ = f.conn.Close() // no more will come
		}
	}()
	return nil
}

// Read gives what the pod sends. Where nothing more comes it says why, if that was told.
func (f *forwarded) Read(p []byte) (int, error) {
	n, err := f.data.Read(p)
	if err != nil && n == 0 {
		select {
		case <-f.told:
		case <-f.conn.CloseChan():
		}
		select {
		case <-f.told:
			if f.fault != nil {
				return 0, f.fault
			}
		default:
		}
	}
	return n, err
}

// Write sends to the pod.
func (f *forwarded) Write(p []byte) (int, error) { return f.data.Write(p) }

// Close ends the connection. It may be called twice.
func (f *forwarded) Close() (err error) {
	f.once.Do(func() {
		f.stop()
		err = f.conn.Close()
	})
	return err
}

// LocalAddr is part of net.Conn: nothing listens here.
func (f *forwarded) LocalAddr() net.Addr { return podAddr("failoverbot") }

// RemoteAddr is the pod's port.
func (f *forwarded) RemoteAddr() net.Addr {
	return podAddr(net.JoinHostPort(f.pod, strconv.Itoa(f.port)))
}

// SetDeadline is part of net.Conn: the context of the connection bounds it.
func (f *forwarded) SetDeadline(time.Time) error { return nil }

// SetReadDeadline is as SetDeadline.
func (f *forwarded) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline is as SetDeadline.
func (f *forwarded) SetWriteDeadline(time.Time) error { return nil }

type podAddr string

// Network is part of net.Addr.
func (podAddr) Network() string { return "portforward" }

// String is the pod's name and the port.
func (a podAddr) String() string { return string(a) }
