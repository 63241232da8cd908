package kube

import (
	"context"
	"fmt"
	"net/url"
	"strings"

	"github.com/failoverbot/failoverbot/incident/runbook"
)

// Proxy is what a service of a Region's cluster answers to a GET by way of its API server,
// which has to reach the service's pods and needs the right to get services/proxy in that
// namespace. service is namespace/name:port, path with its query. An answer with an error's
// status is a fault, unless taken, which may be nil, says that it is an answer by its status and body.
func (k *Kube) Proxy(ctx context.Context, p *runbook.Plan, r runbook.Region, service, path string, taken func(status int, body []byte) bool) ([]byte, error) {
	client, own, err := k.in(p, r)
	if err != nil {
		return nil, err
	}
	namespace, name, _ := strings.Cut(service, "/")
	at, err := url.Parse(path)
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", service, err)
	}
	body, err := k.query(ctx, client, "/api/v1/namespaces/"+namespace+"/services/http:"+name+"/proxy"+at.Path, at.Query(), func(code int32, body []byte) bool { return taken != nil && taken(int(code), body) })
	if err != nil {
		return nil, fmt.Errorf("get services/proxy of %s in %s: %w", service, r.Name, of(err, own))
	}
	return body, nil
}
