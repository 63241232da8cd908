package live

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go/logging"
	"github.com/rs/zerolog"

	"github.com/failoverbot/failoverbot/incident/runbook/strict"
	"github.com/failoverbot/failoverbot/providers/awserr"
)

// AWSSettings say how AWS is reached. The zero value is the SDK's own chain.
type AWSSettings struct {
	// Profile of the shared configuration files; empty: the chain's own choice.
	Profile string
	// Roles to assume for the calls to a Region, by Region.
	Roles map[string]Role
	// Dial opens the connections; nil: NewDial(nil).
	Dial Dial
	// Proxy chooses one for a request; nil: the environment's.
	Proxy func(*http.Request) (*url.URL, error)
	// Regions whose settings are read at once, so that a fault shows at the start.
	// Others are read when they are first asked for.
	Regions []string
	// Secret is told of every secret that the credentials hold; nil: nobody is.
	Secret func(values ...string)
}

// Role is one to assume.
type Role struct{ ARN, ExternalID string }

// AWS returns what the clients of a Region are made from. Each Region has
// settings, credentials and connections of its own.
//
// The clients do not retry: a change must leave the process once, and reads are
// given their retries where they are made. Obtaining credentials does retry.
//
// ctx bounds the reading of files, no more. The function returned may be called
// by anybody at any time; if the settings of a further Region cannot be read, its
// clients answer each call with the reason.
func AWS(ctx context.Context, s AWSSettings, log zerolog.Logger) (func(region string) aws.Config, error) {
	if err := filesEnd(); err != nil {
		return nil, err
	}
	a := &accounts{settings: s, log: log, byRegion: map[string]aws.Config{}}
	for _, region := range s.Regions {
		if _, err := a.load(ctx, region); err != nil {
			return nil, err
		}
	}
	return a.config, nil
}

// filesEnd says whether the files that the SDK reads by itself can be read to their end:
// it opens whatever is there, and would wait for the other end of a pipe.
func filesEnd() error {
	env, err := config.NewEnvConfig()
	if err != nil {
		return fmt.Errorf("read the AWS settings of the environment: %w", err)
	}
	files := slices.Concat(config.DefaultSharedConfigFiles, config.DefaultSharedCredentialsFiles,
		[]string{env.SharedConfigFile, env.SharedCredentialsFile, env.CustomCABundle, env.WebIdentityTokenFilePath})
	for _, file := range files {
		if file == "" {
			continue
		}
		if _, err := strict.ReadFile(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("read the AWS SDK's files: %w", err)
		}
	}
	return nil
}

type accounts struct {
	settings AWSSettings
	log      zerolog.Logger
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
		if a.settings.Proxy != nil {
			t.Proxy = a.settings.Proxy
		}
		t.TLSHandshakeTimeout = handshakeTimeout
		t.ResponseHeaderTimeout = answerTimeout
	})
	options := []func(*config.LoadOptions) error{
		config.WithRegion(region),
		config.WithHTTPClient(client),
		// What matters of it comes back as an error; the rest is for the log.
		config.WithLogger(logging.LoggerFunc(func(kind logging.Classification, format string, args ...any) {
			a.log.Debug().Str("aws", string(kind)).Msgf(format, args...)
		})),
	}
	if a.settings.Profile != "" {
		options = append(options, config.WithSharedConfigProfile(a.settings.Profile))
	}
	c, err := config.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return aws.Config{}, fmt.Errorf("read the AWS settings for %s: %w", region, err)
	}
	if role, ok := a.settings.Roles[region]; ok {
		c.Credentials = assumed(c, role)
	}
	if c.Credentials != nil {
		c.Credentials = chain{c.Credentials, a.settings.Secret}
	}
	c.HTTPClient = punctual{c.HTTPClient} // after loading, which may give it a bundle of certificates
	// After loading, so that the credentials' own clients keep their retries.
	c.Retryer = func() aws.Retryer { return aws.NopRetryer{} }
	c.RetryMaxAttempts = 0
	a.byRegion[region] = c
	return c, nil
}

// assumed are the credentials of a role, from the STS of the Region that they are for:
// the one that is left may be gone. They are asked for when they are first needed and
// again before they run out. Whoever looks at CloudTrail finds the session by its name.
func assumed(c aws.Config, role Role) aws.CredentialsProvider {
	return aws.NewCredentialsCache(stscreds.NewAssumeRoleProvider(sts.NewFromConfig(c), role.ARN, func(o *stscreds.AssumeRoleOptions) {
		o.RoleSessionName, o.Duration = "failoverbot", time.Hour
		if role.ExternalID != "" {
			o.ExternalID = &role.ExternalID
		}
	}), func(o *aws.CredentialsCacheOptions) { o.ExpiryWindow = 5 * time.Minute })
}

func (a *accounts) config(region string) aws.Config {
	c, err := a.load(context.Background(), region)
	if err != nil {
		return aws.Config{Region: region, Credentials: unreadable{err}}
	}
	return c
}

// chain says of credentials that cannot be had that nothing was sent. The SDK's
// own error is that of the call they were for, with the status of another one.
type chain struct {
	aws.CredentialsProvider
	secret func(values ...string)
}

// Retrieve returns the credentials, or an [awserr.Unsigned].
func (s chain) Retrieve(ctx context.Context) (aws.Credentials, error) {
	c, err := s.CredentialsProvider.Retrieve(ctx)
	if err != nil {
		return c, &awserr.Unsigned{Err: err}
	}
	if s.secret != nil {
		s.secret(c.SecretAccessKey, c.SessionToken)
	}
	return c, nil
}

// unreadable are the credentials of settings that could not be read.
type unreadable struct{ err error }

// Retrieve returns why there are none.
func (u unreadable) Retrieve(context.Context) (aws.Credentials, error) {
	return aws.Credentials{}, u.err
}
