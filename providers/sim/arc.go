package sim

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// Controls are the routing controls of ARC and the rules that guard them.
type Controls struct {
	// States are On or Off, by the ARN of the control.
	States map[string]string `json:"states"`
	// Refuses is the name of a safety rule that refuses every change; empty: there is only
	// the one that wants a control On.
	Refuses string `json:"refuses,omitempty"`
	// Stale are the Regions of endpoints that tell other states, by the ARN of the control.
	Stale map[string]map[string]string `json:"stale,omitempty"`
}

const (
	recoveryControl       = "RECOVERY_CONTROL"
	controlOn, controlOff = "On", "Off"
	// oneOn is the safety rule that every change has to leave satisfied.
	oneOn = "at-least-one-on"
)

// clusterRegions are where a cluster has its endpoints.
var clusterRegions = []string{"ap-northeast-1", "ap-southeast-2", "eu-west-1", homeRegion, standbyRegion}

func clusterHost(region string) string {
	return fmt.Sprintf("%08x.%s.%s.amazonaws.com", draw(0, 1<<32, "cluster", region), clusterService, region)
}

// clusterService is how the endpoints of clusters are called, and what their calls are signed for.
const clusterService = "route53-recovery-cluster"

func clusterEndpoints() map[string]string {
	out := map[string]string{}
	for _, r := range clusterRegions {
		out[r] = "https://" + clusterHost(r) + "/v1"
	}
	return out
}

// clusterRegion is the Region of the endpoint at that host; empty if it is none.
func clusterRegion(host string) string {
	for _, r := range clusterRegions {
		if host == clusterHost(r) {
			return r
		}
	}
	return ""
}

func controlARN(region string) string {
	const panel = "arn:aws:route53-recovery-control::" + account + ":controlpanel/8f1c2e7a40d94b6f9a3d5e6c7b8a9f01/routingcontrol/"
	return panel + map[string]string{homeRegion: "1111aaaa2222bbbb", standbyRegion: "3333cccc4444dddd"}[region]
}

// beginControls let users into the home Region.
func beginControls() Controls {
	return Controls{States: map[string]string{controlARN(homeRegion): controlOn, controlARN(standbyRegion): controlOff}}
}

// What the API takes and gives, in its own words.
type (
	getControlInput  struct{ RoutingControlArn string }
	getControlOutput struct {
		RoutingControlArn   string
		RoutingControlName  string
		RoutingControlState string
	}
	controlEntry        struct{ RoutingControlArn, RoutingControlState string }
	updateControlsInput struct {
		UpdateRoutingControlStateEntries []controlEntry
		SafetyRulesToOverride            []string
	}
	updateControlsOutput struct{}
)

// clusterError is an error as the cluster answers it.
type clusterError struct {
	Status  int    `json:"-"`
	Type    string `json:"__type"`
	Message string `json:"message"`
	// ID and Kind are what it is about.
	ID   string `json:"resourceId,omitempty"`
	Kind string `json:"resourceType,omitempty"`
}

// Error is what it says.
func (e *clusterError) Error() string { return e.Type + ": " + e.Message }

var arcAPI = awsAPI{
	system: "aws." + clusterService,
	operations: map[string]operation{
		"GetRoutingControlState":     reads(getControl),
		"UpdateRoutingControlStates": changesIf(updateControls),
	},
	target: func(in any) string {
		switch in := in.(type) {
		case *getControlInput:
			return in.RoutingControlArn
		case *updateControlsInput:
			var all []string
			for _, e := range in.UpdateRoutingControlStateEntries {
				all = append(all, e.RoutingControlArn)
			}
			slices.Sort(all)
			return strings.Join(all, " ")
		}
		return ""
	},
}

// controlInputs are what the operations take.
var controlInputs = map[string]func() any{
	"GetRoutingControlState":     func() any { return new(getControlInput) },
	"UpdateRoutingControlStates": func() any { return new(updateControlsInput) },
}

// changesIf makes an operation of a function that says itself whether it changed the world.
func changesIf[In, Out any](f func(request, In) (Out, bool, error)) operation {
	return operation{mutating: true, answer: func(r request, in any) (any, bool, error) {
		typed, ok := in.(In)
		if !ok {
			return nil, false, fmt.Errorf("the input is a %T", in)
		}
		return f(r, typed)
	}}
}

func noControl(arn string) error {
	return &clusterError{http.StatusNotFound, "ResourceNotFoundException", "The routing control was not found", arn, "RoutingControl"}
}

func getControl(r request, in *getControlInput) (*getControlOutput, error) {
	state, ok := r.Controls.States[in.RoutingControlArn]
	if !ok {
		return nil, noControl(in.RoutingControlArn)
	}
	if old := r.Controls.Stale[r.region][in.RoutingControlArn]; old != "" {
		state = old
	}
	return &getControlOutput{in.RoutingControlArn, "control-" + in.RoutingControlArn[strings.LastIndex(in.RoutingControlArn, "/")+1:], state}, nil
}

// updateControls sets all states or none, as far as the safety rules let it. Nobody here may
// override them.
func updateControls(r request, in *updateControlsInput) (*updateControlsOutput, bool, error) {
	if len(in.SafetyRulesToOverride) > 0 {
		return nil, false, &clusterError{http.StatusForbidden, "AccessDeniedException", "Safety rules may not be overridden by this role", "", ""}
	}
	if len(in.UpdateRoutingControlStateEntries) == 0 {
		return nil, false, &clusterError{http.StatusBadRequest, "ValidationException", "UpdateRoutingControlStateEntries is empty", "", ""}
	}
	to, changed := map[string]string{}, false
	for _, e := range in.UpdateRoutingControlStateEntries {
		now, ok := r.Controls.States[e.RoutingControlArn]
		switch {
		case !ok:
			return nil, false, noControl(e.RoutingControlArn)
		case e.RoutingControlState != controlOn && e.RoutingControlState != controlOff:
			return nil, false, &clusterError{http.StatusBadRequest, "ValidationException", "RoutingControlState is On or Off", "", ""}
		}
		to[e.RoutingControlArn], changed = e.RoutingControlState, changed || now != e.RoutingControlState
	}
	rule, on := r.Controls.Refuses, false
	for arn, state := range r.Controls.States {
		if set := to[arn]; set != "" {
			state = set
		}
		on = on || state == controlOn
	}
	if !on {
		rule = oneOn
	}
	if rule != "" {
		return nil, false, &clusterError{http.StatusConflict, "ConflictException", "The change does not satisfy safety rule " + rule, rule, "SafetyRule"}
	}
	maps.Copy(r.Controls.States, to)
	return &updateControlsOutput{}, changed, nil
}

// answerCluster answers a request to the endpoint in a Region, over HTTP, as AWS does: its
// signature has to be right, and nothing in it may be unknown.
func (w *World) answerCluster(r *http.Request, region string) (*http.Response, error) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil {
		return nil, err
	}
	name, ours := strings.CutPrefix(r.Header.Get("X-Amz-Target"), "ToggleCustomerAPI.")
	op, known := arcAPI.operations[name]
	if !ours || !known || r.Method != http.MethodPost || r.URL.Path != "/v1" || r.Header.Get("Content-Type") != "application/x-amz-json-1.0" {
		return clusterAnswer(r, http.StatusBadRequest, &clusterError{Type: "UnknownOperationException", Message: r.Method + " " + r.URL.Path})
	}
	in := controlInputs[name]()
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	malformed := d.Decode(in)
	c := Call{System: arcAPI.system, Operation: name, Region: region, Target: arcAPI.target(in), Mutating: op.mutating}
	var out any
	err = w.call(r.Context(), c, 80*time.Millisecond, 200*time.Millisecond, func(s *State) (changed bool, err error) {
		if says := w.misfit(r, body, region); says != "" {
			return false, &clusterError{Status: http.StatusForbidden, Type: "InvalidSignatureException", Message: says}
		}
		if malformed != nil {
			return false, &clusterError{Status: http.StatusBadRequest, Type: "SerializationException", Message: malformed.Error()}
		}
		out, changed, err = op.answer(request{State: s, region: region, now: s.At}, in)
		return changed, err
	})
	if f, ok := errors.AsType[*failure](err); ok {
		switch f.kind {
		case Throttle:
			err = &clusterError{Status: http.StatusTooManyRequests, Type: "ThrottlingException", Message: "Rate exceeded"}
		case Deny:
			err = &clusterError{Status: http.StatusForbidden, Type: "AccessDeniedException", Message: "User is not authorized to perform: " + clusterService + ":" + name}
		case ServerFail:
			err = &clusterError{Status: http.StatusServiceUnavailable, Type: "EndpointTemporarilyUnavailableException", Message: "The endpoint is temporarily unavailable"}
		case LostAnswer:
			return nil, unanswered(r, withCause(os.NewSyscallError("read", syscall.ECONNRESET), f.err))
		case Hang:
			if cause := context.Cause(r.Context()); cause != nil {
				return nil, unanswered(r, cause)
			}
			return nil, unanswered(r, os.ErrDeadlineExceeded)
		default:
			return nil, unanswered(r, withCause(refused(), f.err))
		}
	}
	if e, ok := errors.AsType[*clusterError](err); ok {
		return clusterAnswer(r, e.Status, e)
	}
	if err != nil {
		return nil, err
	}
	return clusterAnswer(r, http.StatusOK, out)
}

// unanswered is the error of a client whose request got no answer.
func unanswered(r *http.Request, err error) error {
	return &url.Error{Op: "Post", URL: r.URL.String(), Err: err}
}

func clusterAnswer(r *http.Request, status int, out any) (*http.Response, error) {
	body, err := json.Marshal(out)
	if err != nil {
		return nil, err
	}
	return &http.Response{
		StatusCode: status, Status: http.StatusText(status), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r,
		Header: http.Header{"Content-Type": {"application/x-amz-json-1.0"}}, Body: io.NopCloser(bytes.NewReader(body)),
	}, nil
}

// misfit is what is wrong with the signature of a request for a Region; empty if nothing is.
func (w *World) misfit(r *http.Request, body []byte, region string) string {
	at, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
	if err != nil {
		return "The request has no date"
	}
	if off := w.clock.Now().Sub(at).Abs(); off > 5*time.Minute {
		return fmt.Sprintf("Signature expired: %s is off by %s", at.Format(time.RFC3339), off.Round(time.Second))
	}
	again := r.Clone(r.Context())
	again.Body, again.Header = io.NopCloser(bytes.NewReader(body)), http.Header{}
	for _, h := range []string{"Content-Type", "X-Amz-Target"} {
		again.Header.Set(h, r.Header.Get(h))
	}
	sum := sha256.Sum256(body)
	own := aws.Credentials{AccessKeyID: pretendKey, SecretAccessKey: pretendSecret}
	if err := v4.NewSigner().SignHTTP(r.Context(), own, again, hex.EncodeToString(sum[:]), clusterService, region, at); err != nil {
		return err.Error()
	}
	if again.Header.Get("Authorization") != r.Header.Get("Authorization") {
		return "The request signature we calculated does not match the signature you provided"
	}
	return ""
}
