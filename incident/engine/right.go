package engine

import (
	"context"
	"slices"

	"github.com/failoverbot/failoverbot/incident"
)

// The systems that grant rights.
const (
	GrantedByIAM        = "IAM"
	GrantedByKubernetes = "Kubernetes"
)

// Account stands in the ARN of a [Right] for the account of whoever calls.
const Account = "{account}"

// Right is one thing that a change has to be allowed to do. Two that are equal are one.
type Right struct {
	// System that grants it.
	System string
	// Region whose API is called.
	Region string
	// Does is the IAM action, rds:SwitchoverGlobalCluster, or the verb of Kubernetes.
	Does string
	// On is the ARN of what it is done to, with [Account] where settings do not have the
	// account; of Kubernetes the resource with its group and what is below it,
	// deployments.apps/scale.
	On string
	// Name and Namespace are those of the object, of Kubernetes alone.
	Name, Namespace string
	// Given is a condition key of IAM's and the truth value that the call sends along for
	// it, as key=true; empty where it sends none that a policy could ask for.
	Given string
}

// String is the right as people read it.
func (r Right) String() string {
	if r.System == GrantedByIAM {
		return r.Does + " on " + r.On
	}
	s := r.Does + " " + r.On
	if r.Name != "" {
		s += " " + r.Name
	}
	if r.Namespace != "" {
		s += " in " + r.Namespace
	}
	return s
}

// Granted is what a system says of a right.
type Granted struct {
	// Verdict is Pass, Fail, or Unsure where it could not be found out.
	Verdict incident.Verdict
	// Why it is not granted, or not known, as a sentence.
	Why string
}

// Review asks a system which of these rights whoever calls has; there is an answer for
// each, in order. It only reads.
type Review func(ctx context.Context, rights []Right) []Granted

// reviewed is what the systems say of each right.
func (e *Engine) reviewed(ctx context.Context, rights []Right) []Granted {
	out := make([]Granted, len(rights))
	of := map[string][]int{}
	for i, r := range rights {
		of[r.System] = append(of[r.System], i)
	}
	var systems []string
	for system := range of {
		systems = append(systems, system)
	}
	slices.Sort(systems)
	incident.Together(e.Clock, len(systems), func(n int) {
		at := of[systems[n]]
		review := e.Reviews[systems[n]]
		if review == nil {
			for _, i := range at {
				out[i] = Granted{incident.Unsure, "nobody here can ask " + systems[n] + " for it"}
			}
			return
		}
		own := make([]Right, len(at))
		for k, i := range at {
			own[k] = rights[i]
		}
		for k, g := range review(ctx, own) {
			out[at[k]] = g
		}
	})
	return out
}

// ByIAM are the rights of IAM's to call one operation in a Region on each of these.
func ByIAM(region, does string, on ...string) []Right {
	out := make([]Right, len(on))
	for i, arn := range on {
		out[i] = Right{System: GrantedByIAM, Region: region, Does: does, On: arn}
	}
	return out
}

// ByKubernetes are the rights to do that to each of these objects of a Region's cluster; on
// is their resource, with its group and what is below it.
func ByKubernetes(region, namespace, does, on string, names ...string) []Right {
	out := make([]Right, len(names))
	for i, name := range names {
		out[i] = Right{System: GrantedByKubernetes, Region: region, Does: does, On: on, Namespace: namespace, Name: name}
	}
	return out
}
