package live

import (
	"context"
	"fmt"
	"net/http"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
)

// AWSSettings say how AWS is reached. The zero value is the SDK's own chain.
type AWSSettings struct {
	// Profile of the shared configuration files; empty: the chain's own choice.
	Profile string
	// Dial opens the connections; nil: NewDial(nil).
	Dial Dial
	// Regions whose settings are read at once, so that a fault shows at the start.
	// Others are read when they are first asked for.
	Regions []string
}

// AWS returns what the clients of a Region are made from. Each Region has
// settings, credentials and connections of its own.
//
// The clients do not retry: a change must leave the process once, and reads are
// given their retries where they are made. Obtaining credentials does retry.
//
// ctx bounds the reading of files, no more. The function returned may be called
// by anybody at any time; if the settings of a further Region cannot be read, its
// clients answer each call with the reason.
func AWS(ctx context.Context, s AWSSettings) (func(region string) aws.Config, error) {
	a := &accounts{settings: s, byRegion: map[string]aws.Config{}}
	for _, region := range s.Regions {
		if _, err := a.load(ctx, region); err != nil {
			return nil, err
		}
	}
	return a.config, nil
}

type accounts struct {
	settings AWSSettings
	mu       sync.Mutex
	byRegion map[string]aws.Config
}

func (a *accounts) load(ctx context.Context, region string) (aws.Config, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if c, ok := a.byRegion[region]; ok {
		return c, nil
	}
	dial := a.settings.Dial
	if dial == nil {
		dial = NewDial(nil)
	}
	client := awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
		t.DialContext = dial
		t.TLSHandshakeTimeout = handshakeTimeout
		t.ResponseHeaderTimeout = answerTimeout
	})
	options := []func(*config.LoadOptions) error{
		config.WithRegion(region),
		config.WithHTTPClient(client),
	}
	if a.settings.Profile != "" {
		options = append(options, config.WithSharedConfigProfile(a.settings.Profile))
	}
	c, err := config.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return aws.Config{}, fmt.Errorf("read the AWS settings for %s: %w", region, err)
	}
	// After loading, so that the credentials' own clients keep their retries.
	c.Retryer = func() aws.Retryer { return aws.NopRetryer{} }
	c.RetryMaxAttempts = 0
	a.byRegion[region] = c
	return c, nil
}

func (a *accounts) config(region string) aws.Config {
	c, err := a.load(context.Background(), region)
	if err != nil {
		return aws.Config{Region: region, Credentials: unreadable{err}}
	}
	return c
}

// unreadable are the credentials of settings that could not be read.
type unreadable struct{ err error }

// Retrieve returns why there are none.
func (u unreadable) Retrieve(context.Context) (aws.Credentials, error) {
	return aws.Credentials{}, u.err
}
