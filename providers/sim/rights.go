package sim

import (
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamt "github.com/aws/aws-sdk-go-v2/service/iam/types"
	authorizationv1 "k8s.io/api/authorization/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// The world's callers may do everything but what a [Fault] of kind deny refuses: whoever
// asks for their rights is told the same.

// ownRole is what the bot calls AWS by.
const ownRole = "failoverbot"

func ownRoleARN() string { return "arn:aws:iam::" + account + ":role/bots/" + ownRole }

var reviewsGVR = schema.GroupVersionResource{Group: "authorization.k8s.io", Version: "v1", Resource: "selfsubjectaccessreviews"}

// denied says that a call would be refused for want of rights. It uses no fault up.
func (s *State) denied(system, operation, region string) bool {
	for _, f := range s.Faults {
		if f.Kind == Deny && f.fits(Call{System: system, Operation: operation, Region: region}) {
			return true
		}
	}
	return false
}

// simulatePolicy says of each operation on each thing whether the bot's role may call it.
func simulatePolicy(r request, in *iam.SimulatePrincipalPolicyInput) (*iam.SimulatePrincipalPolicyOutput, error) {
	if deref(in.PolicySourceArn) != ownRoleARN() {
		return nil, &iamt.NoSuchEntityException{Message: ptr("The ARN " + deref(in.PolicySourceArn) + " cannot be found.")}
	}
	out := &iam.SimulatePrincipalPolicyOutput{}
	for _, does := range in.ActionNames {
		service, operation, _ := strings.Cut(does, ":")
		for _, on := range in.ResourceArns {
			region := arnRegion(on)
			result := iamt.EvaluationResult{EvalActionName: ptr(does), EvalResourceName: ptr(on), EvalDecision: iamt.PolicyEvaluationDecisionTypeAllowed}
			if r.denied("aws."+service, operation, region) {
				result.EvalDecision = iamt.PolicyEvaluationDecisionTypeImplicitDeny
			}
			out.EvaluationResults = append(out.EvaluationResults, result)
		}
	}
	return out, nil
}

// arnRegion is the Region in an ARN; of one without any it is where global APIs live.
func arnRegion(arn string) string {
	if parts := strings.SplitN(arn, ":", 6); len(parts) > 3 && parts[3] != "" {
		return parts[3]
	}
	return homeRegion
}

// reviewed answers whether the bot may do something in a Region's cluster.
func (s *State) reviewed(region string, u *unstructured.Unstructured) (runtime.Object, error) {
	var asked authorizationv1.SelfSubjectAccessReview
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, &asked); err != nil || asked.Spec.ResourceAttributes == nil {
		return nil, apierrors.NewBadRequest("exactly one of nonResourceAttributes or resourceAttributes must be specified")
	}
	a := asked.Spec.ResourceAttributes
	what := a.Resource
	if a.Subresource != "" {
		what += "/" + a.Subresource
	}
	asked.Status.Allowed = !s.denied("kubernetes", a.Verb+" "+what, region)
	return &asked, nil
}
