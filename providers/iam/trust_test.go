package iam

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

func TestATrustPolicyIsReadAsIAMReadsIt(t *testing.T) {
	const issuer, subject = "https://oidc.eks.us-west-2.amazonaws.com/id/ABC", "system:serviceaccount:shop:orders"
	with := func(action, principal, condition string) string {
		return fmt.Sprintf(`{"Statement":[{"Effect":"Allow","Action":%s,"Principal":%s,"Condition":%s}]}`, action, principal, condition)
	}
	const (
		action = `"sts:AssumeRoleWithWebIdentity"`
		ours   = `{"Federated":"arn:aws:iam::111122223333:oidc-provider/oidc.eks.us-west-2.amazonaws.com/id/ABC"}`
		sub    = `"oidc.eks.us-west-2.amazonaws.com/id/ABC:sub"`
		aud    = `"oidc.eks.us-west-2.amazonaws.com/id/ABC:aud"`
	)
	for name, c := range map[string]struct{ policy, wrong string }{
		"as eksctl writes it":            {with(action, ours, `{"StringEquals":{`+sub+`:"`+subject+`",`+aud+`:"sts.amazonaws.com"}}`), ""},
		"lists":                          {with(`["sts:TagSession",`+action+`]`, `{"Federated":["arn:aws:iam::1:oidc-provider/other","arn:aws:iam::111122223333:oidc-provider/oidc.eks.us-west-2.amazonaws.com/id/ABC"]}`, `{"StringEquals":{`+sub+`:["x","`+subject+`"]}}`), ""},
		"a pattern":                      {with(action, ours, `{"StringLike":{`+sub+`:"system:serviceaccount:shop:*"}}`), ""},
		"a pattern of another namespace": {with(action, ours, `{"StringLike":{`+sub+`:"system:serviceaccount:other:*"}}`), "not " + subject},
		"a star is none where equal":     {with(action, ours, `{"StringEquals":{`+sub+`:"system:serviceaccount:shop:*"}}`), "not " + subject},
		"any of the values":              {with(action, ours, `{"ForAnyValue:StringEquals":{`+sub+`:"`+subject+`"}}`), ""},
		"another service account":        {with(action, ours, `{"StringEquals":{`+sub+`:"system:serviceaccount:shop:users"}}`), "not " + subject},
		"another audience":               {with(action, ours, `{"StringEquals":{`+aud+`:"vault"}}`), "not " + subject},
		"a condition that is not known":  {with(action, ours, `{"StringNotEquals":{`+sub+`:"x"}}`), "not " + subject},
		"no condition":                   {with(action, ours, `{}`), ""},
		"every action":                   {with(`"sts:*"`, ours, `{}`), ""},
		"another action":                 {with(`"sts:AssumeRole"`, ours, `{}`), "does not trust"},
		"another cluster":                {with(action, strings.ReplaceAll(ours, "ABC", "ABCD"), `{}`), "does not trust the cluster's OIDC provider oidc.eks.us-west-2.amazonaws.com/id/ABC"},
		"a denial":                       {strings.ReplaceAll(with(action, ours, `{}`), "Allow", "Deny"), "does not trust"},
		"one statement and no list":      {`{"Statement":{"Effect":"Allow","Action":` + action + `,"Principal":` + ours + `}}`, ""},
		"everybody":                      {with(action, `"*"`, `{}`), "does not trust"},
		"two statements":                 {`{"Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"Service":"ec2.amazonaws.com"}},{"Effect":"Allow","Action":` + action + `,"Principal":` + ours + `}]}`, ""},
	} {
		var p trust
		if err := json.Unmarshal([]byte(c.policy), &p); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := p.byToken(issuer, subject); c.wrong == "" && got != "" || !strings.Contains(got, c.wrong) {
			t.Errorf("%s: %q, want %q", name, got, c.wrong)
		}
	}
	for policy, ok := range map[string]bool{
		with(`["sts:AssumeRole","sts:TagSession"]`, `{"Service":"pods.eks.amazonaws.com"}`, `{}`): true,
		with(`"sts:AssumeRole"`, `{"Service":"pods.eks.amazonaws.com"}`, `{}`):                    false,
		with(`["sts:AssumeRole","sts:TagSession"]`, `{"Service":"ec2.amazonaws.com"}`, `{}`):      false,
	} {
		var p trust
		if err := json.Unmarshal([]byte(policy), &p); err != nil {
			t.Fatal(err)
		}
		if got := p.byPodIdentity(); (got == "") != ok {
			t.Errorf("%s: %q", policy, got)
		}
	}
}
