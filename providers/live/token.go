package live

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/failoverbot/failoverbot/incident"
)

// A cluster takes a token for 15 min from its date and may remember it for 14.
// It is made anew well before, so that a slow request does not arrive late.
// https://github.com/kubernetes-sigs/aws-iam-authenticator
const tokenLife = 10 * time.Minute

// tokens makes the tokens of one EKS cluster: a signed question "who am I?" that
// the cluster puts to STS on our behalf. Making one needs credentials and no
// network of its own.
type tokens struct {
	cluster string
	presign *sts.PresignClient
	clock   incident.Clock

	mu    sync.Mutex
	token string
	made  time.Time
}

func newTokens(c aws.Config, cluster string, clock incident.Clock) *tokens {
	client := sts.NewFromConfig(c, func(o *sts.Options) {
		// The cluster follows the link only to AWS itself, in its own Region.
		o.BaseEndpoint = nil
	})
	return &tokens{cluster: cluster, presign: sts.NewPresignClient(client), clock: clock}
}

func (t *tokens) get(ctx context.Context) (string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if now := t.clock.Now(); t.token != "" && now.Sub(t.made) < tokenLife && !now.Before(t.made) {
		return t.token, nil
	}
	made := t.clock.Now()
	signed, err := t.presign.PresignGetCallerIdentity(ctx, &sts.GetCallerIdentityInput{}, func(o *sts.PresignOptions) {
		o.ClientOptions = append(o.ClientOptions, func(o *sts.Options) {
			o.APIOptions = append(o.APIOptions,
				smithyhttp.AddHeaderValue("x-k8s-aws-id", t.cluster),
				smithyhttp.AddHeaderValue("X-Amz-Expires", "60"))
		})
	})
	if err != nil {
		return "", fmt.Errorf("sign a token for the EKS cluster %s: %w", t.cluster, err)
	}
	t.token, t.made = "k8s-aws-v1."+base64.RawURLEncoding.EncodeToString([]byte(signed.URL)), made
	return t.token, nil
}

// drop forgets a token that was refused, so that the next call signs anew.
func (t *tokens) drop(refused string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.token == refused {
		t.token = ""
	}
}

// bearer adds the token to each request.
type bearer struct {
	tokens *tokens
	next   http.RoundTripper
}

// RoundTrip sends a copy of the request with the token. It never sends it twice.
func (b *bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	token, err := b.tokens.get(r.Context())
	if err != nil {
		if r.Body != nil {
			_ = r.Body.Close() // nobody will read it; the reason is the error below
		}
		return nil, err
	}
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+token)
	answer, err := b.next.RoundTrip(r)
	if err == nil && answer.StatusCode == http.StatusUnauthorized {
		b.tokens.drop(token)
	}
	return answer, err
}
