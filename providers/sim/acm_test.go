package sim

import (
	"errors"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/acm"
	acmt "github.com/aws/aws-sdk-go-v2/service/acm/types"
)

func TestACertificateIsOfItsRegionAndRunsOut(t *testing.T) {
	s := quiet(t)
	look := func(region, of string) (*acmt.CertificateDetail, error) {
		out, err := acm.NewFromConfig(s.once(region)).DescribeCertificate(s.ctx, &acm.DescribeCertificateInput{CertificateArn: ptr(certificateARN(of))})
		if err != nil {
			return nil, err
		}
		return out.Certificate, nil
	}
	c, err := look(west, west)
	s.must(err)
	if c.Status != acmt.CertificateStatusIssued || c.RenewalEligibility != acmt.RenewalEligibilityEligible || len(c.InUseBy) != 1 || c.InUseBy[0] != albARN(west) {
		t.Errorf("%+v", c)
	}
	var missing *acmt.ResourceNotFoundException
	if _, err := look(east, west); !errors.As(err, &missing) {
		t.Errorf("asked for in the other Region: %v", err)
	}
	s.must(s.Do(func(st *State) {
		r := st.Regions[west]
		r.Certificates[certificateARN(west)].NotAfter = st.At.Add(time.Minute)
		r.Certificates[certificateARN(west)].Renewal = string(acmt.RenewalStatusFailed)
		r.Certificates[certificateARN(west)].Why = string(acmt.FailureReasonCaaError)
		r.Listeners = nil
	}))
	c, err = look(west, west)
	s.must(err)
	if c.Status != acmt.CertificateStatusIssued || len(c.InUseBy) != 0 || c.RenewalEligibility != acmt.RenewalEligibilityIneligible || c.RenewalSummary.RenewalStatusReason != acmt.FailureReasonCaaError {
		t.Errorf("taken off the listener: %+v", c)
	}
	s.wait(2 * time.Minute)
	c, err = look(west, west)
	s.must(err)
	if c.Status != acmt.CertificateStatusExpired {
		t.Errorf("after its end it is %s", c.Status)
	}
	s.must(s.Do(func(st *State) {
		st.Regions[west].Certificates[certificateARN(west)] = &Certificate{Names: []string{recordName}, Status: string(acmt.CertificateStatusPendingValidation), Imported: true}
	}))
	c, err = look(west, west)
	s.must(err)
	if c.Status != acmt.CertificateStatusPendingValidation || c.NotAfter != nil || c.Type != acmt.CertificateTypeImported {
		t.Errorf("never issued: %+v", c)
	}
}
