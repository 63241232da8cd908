package sim

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/rest"
)

// kubePages are what a cluster's API server answers beside its objects, by path.
var kubePages = map[string]func(r *Region) (code int, body string){
	"/readyz":                           (*Region).readyz,
	"/.well-known/openid-configuration": (*Region).openID,
}

// kubeHTTP is the way to kubePages: client-go's own REST client, whose requests are
// answered by the world instead of being sent.
func (k *kube) kubeHTTP() rest.Interface {
	at, err := url.Parse("https://kubernetes." + k.region + ".pretend")
	if err != nil {
		panic(err) // the names of Regions are constants
	}
	content := rest.ClientContentConfig{Negotiator: runtime.NewClientNegotiator(serializer.NewCodecFactory(runtime.NewScheme()).WithoutConversion(), metav1.Unversioned)}
	c, err := rest.NewRESTClient(at, "", content, nil, &http.Client{Transport: kubeWire{k}})
	if err != nil {
		panic(err) // nothing is asked of it but a negotiator
	}
	return c
}

// kubeWire answers requests.
type kubeWire struct{ *kube }

// RoundTrip answers a GET of a page that the world knows.
func (k kubeWire) RoundTrip(r *http.Request) (*http.Response, error) {
	code, body := http.StatusNotFound, "404 page not found\n"
	c := Call{System: "kubernetes", Operation: strings.ToLower(r.Method) + " " + r.URL.Path, Region: k.region}
	err := k.w.call(r.Context(), c, 20*time.Millisecond, 60*time.Millisecond, func(s *State) (bool, error) {
		if page, region := kubePages[r.URL.Path], s.Regions[k.region]; page != nil && region != nil && r.Method == http.MethodGet {
			code, body = page(region)
		} else if region == nil {
			return false, nil
		} else if c, b, ok := region.keptNames(r); ok {
			code, body = c, b
		} else if c, b, ok := s.proxied(k.region, r.Method, r.URL); ok {
			code, body = c, b
		}
		return false, nil
	})
	if err != nil {
		err = asKube(r.Context(), k.region, schema.GroupResource{Resource: r.URL.Path}, err, "get", "path", "")
		var status apierrors.APIStatus
		if !errors.As(err, &status) {
			// client-go wraps what went wrong on the way itself.
			if wrapped, ok := errors.AsType[*url.Error](err); ok {
				err = wrapped.Err
			}
			return nil, err
		}
		told := status.Status()
		data, err := json.Marshal(&told)
		if err != nil {
			return nil, err
		}
		code, body = int(told.Code), string(data)
	}
	kind := "text/plain"
	if strings.HasPrefix(body, "{") {
		kind = "application/json"
	}
	return &http.Response{
		StatusCode: code, Status: http.StatusText(code), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r,
		Header: http.Header{"Content-Type": {kind}}, Body: io.NopCloser(strings.NewReader(body)),
	}, nil
}

// readyz is what the API server says of itself, check by check where one of them fails.
func (r *Region) readyz() (code int, body string) {
	if len(r.NotReady) == 0 {
		return http.StatusOK, "ok"
	}
	for _, check := range []string{"ping", "log", "etcd", "informer-sync", "poststarthook/rbac/bootstrap-roles", "shutdown"} {
		if reason := r.NotReady[check]; reason != "" {
			body += "[-]" + check + " failed: " + reason + "\n"
		} else {
			body += "[+]" + check + " ok\n"
		}
	}
	return http.StatusInternalServerError, body + "readyz check failed\n"
}
