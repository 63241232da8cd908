package kube

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/runbook"
)

// Accounts are the service accounts of a Region's Deployments.
type Accounts struct {
	// Namespace that they are in.
	Namespace string
	// Issuer is how the cluster signs their tokens: https and where AWS finds its keys.
	Issuer string
	// All of them, by name.
	All []Account
}

// Account is one service account.
type Account struct {
	Name string
	// Deployments that have it.
	Deployments []string
	// Missing: the Deployments name it, and it does not exist.
	Missing bool
	// Role is the ARN of the IAM role that it is annotated with; empty if with none.
	Role string
}

// roleAnnotation gives a service account an IAM role.
//
// https://docs.aws.amazon.com/eks/latest/userguide/associate-service-account-role.html
const roleAnnotation = "eks.amazonaws.com/role-arn"

// issuerPage is where an API server tells how it signs tokens.
//
// https://kubernetes.io/docs/tasks/configure-pod-container/configure-service-account/#service-account-issuer-discovery
const issuerPage = "/.well-known/openid-configuration"

// Accounts are those of all Deployments in the namespace of the services. Its errors are
// faults of a read.
func (k *Kube) Accounts(ctx context.Context, p *runbook.Plan, region runbook.Region) (Accounts, error) {
	client, r, err := k.in(p, region)
	if err != nil {
		return Accounts{}, err
	}
	var all []appsv1.Deployment
	var there []corev1.ServiceAccount
	var page []byte
	err = k.together(
		func() (err error) { all, err = k.deployments(ctx, client, r); return err },
		func() (err error) {
			if there, err = list[corev1.ServiceAccount](ctx, k, client, accounts, r, metav1.ListOptions{}); err != nil {
				return fmt.Errorf("list the service accounts in %s: %w", r.Name, err)
			}
			return nil
		},
		func() (err error) {
			page, err = k.page(ctx, client, issuerPage, func(int32, []byte) bool { return false })
			if err != nil {
				return fmt.Errorf("ask the API server in %s how it signs tokens: %w", r.Name, of(err, r))
			}
			return nil
		},
	)
	if err != nil {
		return Accounts{}, err
	}
	var issuer struct {
		Issuer string `json:"issuer"`
	}
	if err := json.Unmarshal(page, &issuer); err != nil || issuer.Issuer == "" {
		return Accounts{}, &incident.CallError{
			NeedsPerson: true, Err: fmt.Errorf("ask the API server in %s how it signs tokens: %s names no issuer", r.Name, issuerPage),
			Hint: "look at it: kubectl --context " + r.Name + " get --raw " + issuerPage,
		}
	}
	byName := map[string]*Account{}
	for i := range all {
		name := cmp.Or(all[i].Spec.Template.Spec.ServiceAccountName, "default")
		if byName[name] == nil {
			byName[name] = &Account{Name: name, Missing: true}
		}
		byName[name].Deployments = append(byName[name].Deployments, all[i].Name)
	}
	for _, a := range there {
		if used := byName[a.Name]; used != nil {
			used.Missing, used.Role = false, a.Annotations[roleAnnotation]
		}
	}
	out := Accounts{Namespace: r.Namespace, Issuer: issuer.Issuer}
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		out.All = append(out.All, *byName[name])
	}
	return out, nil
}
