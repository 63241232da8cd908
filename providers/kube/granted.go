package kube

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/text"
)

// reviews are asked for by creating one, which is answered and kept nowhere.
var reviews = schema.GroupVersionResource{Group: "authorization.k8s.io", Version: "v1", Resource: "selfsubjectaccessreviews"}

// grantedAtOnce is how many rights one cluster is asked for at the same time.
const grantedAtOnce = 8

// Granted has the API server of each Region's cluster say which rights the bot has there.
func (k *Kube) Granted(ctx context.Context, rights []engine.Right) []engine.Granted {
	out := make([]engine.Granted, len(rights))
	for from := 0; from < len(rights); from += grantedAtOnce {
		part := rights[from:min(from+grantedAtOnce, len(rights))]
		incident.Together(k.clock, len(part), func(i int) {
			granted, err := read(ctx, k.clock, func(ctx context.Context) (engine.Granted, error) { return k.granted(ctx, part[i]) })
			if err != nil {
				granted = engine.Granted{Verdict: incident.Unsure, Why: text.Bare(err)}
				if cause := incident.CallErrorOf(err).Cause; cause != nil { // of all that are asked for there
					granted.Why = incident.Cause{Says: cause.Says, System: cause.System, Region: part[i].Region}.Of(cause.System)
				}
			}
			out[from+i] = granted
		})
	}
	return out
}

func (k *Kube) granted(ctx context.Context, r engine.Right) (engine.Granted, error) {
	client, err := k.cluster(r.Region)
	if err != nil {
		return engine.Granted{}, fmt.Errorf("connect to the cluster in %s: %w", r.Region, err)
	}
	on, sub, _ := strings.Cut(r.On, "/")
	resource, group, _ := strings.Cut(on, ".")
	asked, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&authorizationv1.SelfSubjectAccessReview{
		TypeMeta: metav1.TypeMeta{APIVersion: reviews.GroupVersion().String(), Kind: "SelfSubjectAccessReview"},
		Spec: authorizationv1.SelfSubjectAccessReviewSpec{ResourceAttributes: &authorizationv1.ResourceAttributes{
			Namespace: r.Namespace, Verb: r.Does, Group: group, Resource: resource, Subresource: sub, Name: r.Name,
		}},
	})
	if err != nil {
		return engine.Granted{}, fmt.Errorf("write the review down: %w", err)
	}
	said, err := client.Resource(reviews).Create(ctx, &unstructured.Unstructured{Object: asked}, metav1.CreateOptions{})
	if err != nil {
		return engine.Granted{}, fmt.Errorf("ask the cluster in %s what the bot may do: %w", r.Region, err)
	}
	review, err := decode[authorizationv1.SelfSubjectAccessReview](said)
	if err != nil {
		return engine.Granted{}, err
	}
	switch s := review.Status; {
	case s.Allowed:
		return engine.Granted{Verdict: incident.Pass}, nil
	case s.EvaluationError != "":
		return engine.Granted{}, errors.New(s.EvaluationError)
	default:
		return engine.Granted{Verdict: incident.Fail, Why: cmp.Or(s.Reason, "no role of the cluster allows it")}, nil
	}
}
