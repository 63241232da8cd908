package live

import (
	"context"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/gorilla/websocket"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/streaming/pkg/httpstream"
	"k8s.io/streaming/pkg/httpstream/spdy"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/providers/kubeapi"
)

// kubelet stands in for an API server with a kubelet behind it: what is asked of a pod
// goes to a server of this test, if the pod has the port.
type kubelet struct {
	*httptest.Server
	pod       string // where its port 15014 leads
	mu        sync.Mutex
	asked     []string
	protocols []string // that it speaks
	refuses   func(w http.ResponseWriter)
}

func newKubelet(t *testing.T) *kubelet {
	t.Helper()
	pod := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// Istiod tells what comes from its own machine without a token.
		_, _ = io.WriteString(w, "syncz for "+r.Host)
	}))
	t.Cleanup(pod.Close)
	k := &kubelet{pod: pod.Listener.Addr().String(), protocols: []string{tunnel}}
	k.Server = httptest.NewTLSServer(http.HandlerFunc(k.serve))
	t.Cleanup(k.Close)
	return k
}

func (k *kubelet) serve(w http.ResponseWriter, r *http.Request) {
	token, _, _ := strings.Cut(r.Header.Get("Authorization"), ".")
	k.mu.Lock()
	k.asked = append(k.asked, r.Method+" "+r.URL.Path+" "+token)
	refuses := k.refuses
	k.mu.Unlock()
	if refuses != nil {
		refuses(w)
		return
	}
	up := websocket.Upgrader{Subprotocols: k.protocols}
	web, err := up.Upgrade(w, r, nil)
	if err != nil {
		return // the upgrader has told
	}
	streams := make(chan httpstream.Stream, 8)
	conn, err := spdy.NewServerConnection(portforward.NewTunnelingConnection("server", web), func(s httpstream.Stream, _ <-chan struct{}) error {
		streams <- s
		return nil
	})
	if err != nil {
		return
	}
	defer func() { _ = conn.Close() }() // the test may have closed it
	var faults httpstream.Stream
	for {
		select {
		case s := <-streams:
			if s.Headers().Get(corev1.StreamType) == corev1.StreamTypeError {
				faults = s
				continue
			}
			go k.forward(s, faults)
		case <-conn.CloseChan():
			return
		}
	}
}

// forward does what a kubelet does with one connection.
func (k *kubelet) forward(data, faults httpstream.Stream) {
	defer faults.Close()
	defer data.Close()
	if port := data.Headers().Get(corev1.PortHeader); port != "15014" {
		_, _ = fmt.Fprintf(faults, "dial tcp4 127.0.0.1:%s: connect: connection refused", port)
		return
	}
	to, err := net.Dial("tcp", k.pod)
	if err != nil {
		_, _ = fmt.Fprint(faults, err)
		return
	}
	defer to.Close()
	go func() { _, _ = io.Copy(to, data) }()
	_, _ = io.Copy(data, to)
}

func (k *kubelet) client(t *testing.T, dial Dial) kubeapi.Client {
	t.Helper()
	alone(t)
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: k.Certificate().Raw})
	c, err := Kube(KubeSettings{
		Clusters: map[string]Cluster{"us-west-2": {EKS: &EKS{Cluster: "ecommerce", Endpoint: k.URL, CA: base64.StdEncoding.EncodeToString(ca)}}},
		AWS:      signer, Clock: incident.RealClock{}, Dial: dial,
	})("us-west-2")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// get asks a port of a pod over a connection of its own.
func get(ctx context.Context, c kubeapi.Client, port int) (string, error) {
	conn, err := c.Forward(ctx, "istio-system", "istiod-1", port)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(context.Context, string, string) (net.Conn, error) { return conn, nil }}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://localhost:15014/debug/syncz", nil)
	if err != nil {
		return "", err
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return string(body), err
}

func TestAPortOfAPodIsForwarded(t *testing.T) {
	k := newKubelet(t)
	var mu sync.Mutex
	var dialled []string
	c := k.client(t, func(ctx context.Context, network, addr string) (net.Conn, error) {
		mu.Lock()
		dialled = append(dialled, addr)
		mu.Unlock()
		return (&net.Dialer{}).DialContext(ctx, network, addr)
	})
	for range 2 {
		if body, err := get(t.Context(), c, 15014); err != nil || body != "syncz for localhost:15014" {
			t.Fatalf("%q %v", body, err)
		}
	}
	const asks = "GET /api/v1/namespaces/istio-system/pods/istiod-1/portforward Bearer k8s-aws-v1"
	if len(k.asked) != 2 || k.asked[0] != asks || k.asked[1] != asks {
		t.Errorf("asked %q", k.asked)
	}
	if want := k.Listener.Addr().String(); len(dialled) != 2 || dialled[0] != want {
		t.Errorf("dialled %q: everything else of the cluster goes through the dialler", dialled)
	}
}

func TestAPortThatNobodyListensOnSaysSo(t *testing.T) {
	k := newKubelet(t)
	_, err := get(t.Context(), k.client(t, nil), 8080)
	if err == nil || !strings.Contains(err.Error(), "port 8080 of istiod-1: dial tcp4 127.0.0.1:8080: connect: connection refused") {
		t.Error(err)
	}
}

func TestAForwardThatIsRefusedIsAnErrorOfKubernetes(t *testing.T) {
	k := newKubelet(t)
	c := k.client(t, nil)
	for _, x := range []struct {
		status int
		body   string
		is     func(error) bool
		says   string
	}{
		{403, `{"kind":"Status","apiVersion":"v1","status":"Failure","message":"pods \"istiod-1\" is forbidden: User \"bot\" cannot create resource \"pods/portforward\"","reason":"Forbidden","code":403}`, apierrors.IsForbidden, `cannot create resource "pods/portforward"`},
		{404, `{"kind":"Status","apiVersion":"v1","status":"Failure","message":"pods \"istiod-1\" not found","reason":"NotFound","code":404}`, apierrors.IsNotFound, "not found"},
		{503, "upstream connect error", apierrors.IsServiceUnavailable, ""},
		{401, "Unauthorized", apierrors.IsUnauthorized, ""},
		{200, "hello", func(err error) bool { return err != nil }, ""},
	} {
		k.mu.Lock()
		k.refuses = func(w http.ResponseWriter) { w.WriteHeader(x.status); _, _ = io.WriteString(w, x.body) }
		k.mu.Unlock()
		if _, err := c.Forward(t.Context(), "istio-system", "istiod-1", 15014); !x.is(err) || !strings.Contains(err.Error(), x.says) {
			t.Errorf("%d: %v", x.status, err)
		}
	}
}

func TestAClusterThatDoesNotTunnelIsNamed(t *testing.T) {
	k := newKubelet(t)
	k.protocols = []string{"v4.channel.k8s.io"}
	if _, err := k.client(t, nil).Forward(t.Context(), "istio-system", "istiod-1", 15014); err == nil || !strings.Contains(err.Error(), "older than Kubernetes 1.31") {
		t.Error(err)
	}
}

// A forward ends when its context does, whether it is being opened or read.
func TestAForwardEndsWithItsContext(t *testing.T) {
	k := newKubelet(t)
	hung := make(chan struct{})
	t.Cleanup(func() { close(hung) })
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	k.pod = l.Addr().String() // accepts, and says nothing
	c := k.client(t, nil)
	gone := errors.New("the step's time is up")
	ctx, stop := context.WithCancelCause(t.Context())
	conn, err := c.Forward(ctx, "istio-system", "istiod-1", 15014)
	if err != nil {
		t.Fatal(err)
	}
	stop(gone)
	if _, err := conn.Read(make([]byte, 1)); err == nil {
		t.Error("something was read")
	}
	if err := errors.Join(conn.Close(), conn.Close()); err != nil {
		t.Error(err)
	}
	k.mu.Lock()
	k.refuses = func(http.ResponseWriter) { stop(gone); <-hung }
	k.mu.Unlock()
	ctx, stop = context.WithCancelCause(t.Context())
	defer stop(nil)
	if _, err := c.Forward(ctx, "istio-system", "istiod-1", 15014); !errors.Is(err, gone) {
		t.Error(err)
	}
}
