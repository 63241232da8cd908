package iam

import (
	"encoding/json"
	"path"
	"slices"
	"strings"
)

// trust is the policy of a role that says who may take it on.
//
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html
type trust struct {
	Statement list[statement]
}

type statement struct {
	Effect    string
	Principal principal
	Action    list[string]
	// Condition is by operator and key.
	Condition map[string]map[string]list[string]
}

// principal is by kind: Federated, Service, AWS; "*" is everybody.
type principal map[string]list[string]

// list is what a policy may give as one or as several.
type list[T any] []T

// UnmarshalJSON reads one or several.
func (l *list[T]) UnmarshalJSON(data []byte) error {
	if strings.HasPrefix(strings.TrimSpace(string(data)), "[") {
		return json.Unmarshal(data, (*[]T)(l))
	}
	var one T
	if err := json.Unmarshal(data, &one); err != nil {
		return err
	}
	*l = list[T]{one}
	return nil
}

// UnmarshalJSON reads principals by kind, or a bare "*".
func (p *principal) UnmarshalJSON(data []byte) error {
	var all string
	if json.Unmarshal(data, &all) == nil {
		*p = principal{"AWS": {all}}
		return nil
	}
	return json.Unmarshal(data, (*map[string]list[string])(p))
}

// lets says that a statement allows all of these actions.
func (s statement) lets(actions ...string) bool {
	return s.Effect == "Allow" && !slices.ContainsFunc(actions, func(action string) bool {
		return !slices.ContainsFunc(s.Action, func(given string) bool { return like(strings.ToLower(given), strings.ToLower(action)) })
	})
}

// byToken is why a service account cannot take the role on with a token of its cluster,
// as the end of a sentence; empty if it can. subject is that of its tokens.
//
// https://docs.aws.amazon.com/eks/latest/userguide/associate-service-account-role.html
func (t trust) byToken(issuer, subject string) string {
	provider := strings.TrimPrefix(issuer, "https://")
	named := false
	for _, s := range t.Statement {
		if !s.lets("sts:AssumeRoleWithWebIdentity") || !slices.ContainsFunc(s.Principal["Federated"], func(arn string) bool {
			return strings.HasSuffix(arn, ":oidc-provider/"+provider)
		}) {
			continue
		}
		named = true
		if s.permits(provider+":sub", subject) && s.permits(provider+":aud", "sts.amazonaws.com") {
			return ""
		}
	}
	if !named {
		return "does not trust the cluster's OIDC provider " + provider
	}
	return "trusts the cluster, and not " + subject
}

// byPodIdentity is why EKS cannot give the role to pods, as the end of a sentence; empty
// if it can.
//
// https://docs.aws.amazon.com/eks/latest/userguide/pod-id-role.html
func (t trust) byPodIdentity() string {
	const service = "pods.eks.amazonaws.com"
	for _, s := range t.Statement {
		if slices.Contains(s.Principal["Service"], service) && s.lets("sts:AssumeRole", "sts:TagSession") {
			return ""
		}
	}
	return "does not trust " + service + " with sts:AssumeRole and sts:TagSession"
}

// permits says that no condition on that key keeps the value out. Conditions on other
// keys are not looked at.
func (s statement) permits(key, value string) bool {
	for operator, keys := range s.Condition {
		for k, values := range keys {
			if !strings.EqualFold(k, key) {
				continue
			}
			operator := operator[strings.LastIndex(operator, ":")+1:] // without ForAnyValue:
			fits := func(pattern string) bool { return pattern == value }
			switch {
			case strings.HasPrefix(operator, "StringLike"):
				fits = func(pattern string) bool { return like(pattern, value) }
			case strings.HasPrefix(operator, "StringEqualsIgnoreCase"):
				fits = func(pattern string) bool { return strings.EqualFold(pattern, value) }
			case strings.HasPrefix(operator, "StringEquals"):
			default:
				return false // what cannot be judged does not pass
			}
			if !slices.ContainsFunc(values, fits) {
				return false
			}
		}
	}
	return true
}

var literal = strings.NewReplacer(`\`, `\\`, "[", `\[`, "/", "\x00")

// like matches as IAM does: * is any text and ? any character.
func like(pattern, value string) bool {
	// path.Match has the same, but for what it lets mean more and for slashes.
	ok, err := path.Match(literal.Replace(pattern), strings.ReplaceAll(value, "/", "\x00"))
	return err == nil && ok
}
