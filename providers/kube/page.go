package kube

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/failoverbot/failoverbot/providers/kubeapi"
)

// page is what a Region's API server answers at a path that is no object's. An answer
// with an error's code is a fault, unless it is taken for an answer by its code and body.
func (k *Kube) page(ctx context.Context, client kubeapi.Client, path string, taken func(code int32, body []byte) bool) ([]byte, error) {
	return k.query(ctx, client, path, nil, taken)
}

// query is a page with a query.
func (k *Kube) query(ctx context.Context, client kubeapi.Client, path string, query url.Values, taken func(code int32, body []byte) bool) ([]byte, error) {
	return read(ctx, k.clock, func(ctx context.Context) ([]byte, error) {
		q := client.HTTP.Get().AbsPath(path)
		for name, values := range query {
			for _, v := range values {
				q = q.Param(name, v)
			}
		}
		body, err := q.DoRaw(ctx)
		var status apierrors.APIStatus
		if !errors.As(err, &status) {
			return body, err //nolint:wrapcheck // read sorts it
		}
		if taken(status.Status().Code, body) {
			return body, nil
		}
		return nil, &apierrors.StatusError{ErrStatus: said(body, status.Status())}
	})
}

// said is the error that an API server gave as the body of an answer, which client-go
// leaves unread where no object was asked for.
func said(body []byte, otherwise metav1.Status) metav1.Status {
	var s metav1.Status
	if err := json.Unmarshal(body, &s); err != nil || s.Message == "" {
		return otherwise
	}
	s.Code = otherwise.Code
	return s
}
