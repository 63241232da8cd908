package arc

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/providers/awserr"
)

// The protocol of a cluster's endpoints, AWS JSON 1.0:
// https://docs.aws.amazon.com/routing-control/latest/APIReference/
const (
	service  = "Route53 Recovery Cluster" // as AWS's own clients call it
	signedAs = "route53-recovery-cluster"
	target   = "ToggleCustomerAPI."
	content  = "application/x-amz-json-1.0"
	// most is how much of an answer is read.
	most = 1 << 20
)

// endpoint is one of a cluster's, and the Region in which it lies.
type endpoint struct{ region, url string }

// State of a routing control: On lets users in.
type State string

// The states.
const (
	On  State = "On"
	Off State = "Off"
)

// setting is a control with its state, as the API has it.
type setting struct {
	ARN   string `json:"RoutingControlArn"`
	State State  `json:"RoutingControlState"`
}

// get reads the state of a control at one endpoint.
func (c *caller) get(ctx context.Context, at endpoint, arn string) (State, error) {
	var out setting
	err := c.call(ctx, at, "GetRoutingControlState", map[string]string{"RoutingControlArn": arn}, &out, func() error {
		if out.ARN != arn || out.State != On && out.State != Off {
			return fmt.Errorf("it says %q of %q", out.State, out.ARN)
		}
		return nil
	})
	return out.State, err
}

// update sets the states of several controls, all of them or none. Safety rules are not
// overridden: what would name those to override is never sent.
func (c *caller) update(ctx context.Context, at endpoint, to []setting) error {
	in := struct {
		Entries []setting `json:"UpdateRoutingControlStateEntries"`
	}{to}
	return c.call(ctx, at, "UpdateRoutingControlStates", in, &struct{}{}, nil)
}

// caller signs and sends the calls of one action.
type caller struct {
	credentials aws.CredentialsProvider
	http        aws.HTTPClient
	clock       incident.Clock
}

// call sends one request to one endpoint, once, within [patient]. Its error is what an
// AWS client's would be, unsorted.
func (c *caller) call(ctx context.Context, at endpoint, operation string, in, out any, fits func() error) error {
	ctx, stop := c.clock.WithTimeout(ctx, patient, fmt.Errorf("no answer within %s", patient))
	defer stop()
	if err := c.send(ctx, at, operation, in, out, fits); err != nil {
		// A time that was up is the endpoint's, so it is told here: whoever sorts the error
		// has the context of all endpoints.
		if cause := context.Cause(ctx); cause != nil && awserr.Code(err) == "" {
			err = cause
		}
		return awserr.At(at.region, &smithy.OperationError{ServiceID: service, OperationName: operation, Err: err})
	}
	return nil
}

func (c *caller) send(ctx context.Context, at endpoint, operation string, in, out any, fits func() error) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, at.url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	if req.URL.Path == "" {
		req.URL.Path = "/"
	}
	req.Header.Set("Content-Type", content)
	req.Header.Set("X-Amz-Target", target+operation)
	req.Header.Set("User-Agent", incident.Bot)
	if c.credentials == nil {
		return &awserr.Unsigned{Err: errors.New("there are no credentials")}
	}
	credentials, err := c.credentials.Retrieve(ctx)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(body)
	if err := v4.NewSigner().SignHTTP(ctx, credentials, req, hex.EncodeToString(sum[:]), signedAs, at.region, c.clock.Now()); err != nil {
		return fmt.Errorf("sign: %w", err)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		if u, ok := errors.AsType[*url.Error](err); ok {
			err = u.Err
		}
		return err
	}
	defer func() { _ = resp.Body.Close() }() // it has been read
	text, err := io.ReadAll(io.LimitReader(resp.Body, most))
	if err != nil {
		return err
	}
	if err := read(resp, text, out, fits); err != nil {
		return &awshttp.ResponseError{
			ResponseError: &smithyhttp.ResponseError{Response: &smithyhttp.Response{Response: resp}, Err: err},
			RequestID:     resp.Header.Get("X-Amzn-Requestid"),
		}
	}
	return nil
}

// read is what an answer says: what was asked for, or an error by its published name.
func read(resp *http.Response, text []byte, out any, fits func() error) error {
	if resp.StatusCode == http.StatusOK {
		err := json.Unmarshal(text, out)
		if err == nil && fits != nil {
			err = fits()
		}
		if err != nil {
			return &smithy.DeserializationError{Err: err}
		}
		return nil
	}
	var said struct {
		Type    string `json:"__type"`
		Message string `json:"message"`
		// About is what a conflict or a limit is about.
		About string `json:"resourceId"`
	}
	if err := json.Unmarshal(text, &said); err != nil {
		said.Type = ""
	}
	code := resp.Header.Get("X-Amzn-Errortype")
	if code == "" {
		code = said.Type
	}
	code, _, _ = strings.Cut(code, ":")
	code = code[strings.LastIndex(code, "#")+1:]
	if code == "" {
		return &smithy.DeserializationError{Err: fmt.Errorf("it names no error: %.80q", text)}
	}
	message := said.Message
	if said.About != "" && !strings.Contains(message, said.About) {
		message = strings.TrimSpace(message + " (" + said.About + ")")
	}
	fault := smithy.FaultClient
	if resp.StatusCode >= http.StatusInternalServerError {
		fault = smithy.FaultServer
	}
	return &smithy.GenericAPIError{Code: code, Message: message, Fault: fault}
}

// patient is how long one endpoint may take to answer.
const patient = 4 * time.Second
