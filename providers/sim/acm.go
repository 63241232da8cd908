package sim

import (
	"time"

	"github.com/aws/aws-sdk-go-v2/service/acm"
	acmt "github.com/aws/aws-sdk-go-v2/service/acm/types"
)

// Certificate is one that ACM has in a Region.
type Certificate struct {
	// Names that it is for; the first is the one it was asked for with.
	Names []string `json:"names"`
	// Status as ACM calls it; one that was ISSUED is EXPIRED once it has ended.
	Status    string    `json:"status"`
	NotBefore time.Time `json:"not_before,omitzero"`
	NotAfter  time.Time `json:"not_after,omitzero"`
	// Imported certificates are not renewed by ACM.
	Imported bool `json:"imported,omitempty"`
	// Renewal is how ACM's last attempt to renew it went, and why; empty before the
	// first.
	Renewal string `json:"renewal,omitempty"`
	Why     string `json:"why,omitempty"`
}

// beginCertificates are those of a Region, by ARN: the one that its load balancer
// shows, valid for 13 months.
func beginCertificates(region string, start Start, at time.Time) map[string]*Certificate {
	const day = 24 * time.Hour
	left, given := start.CertificateDays[region]
	if !given {
		left = 365
	}
	ends := at.Add(time.Duration(left) * day)
	return map[string]*Certificate{certificateARN(region): {
		Names: []string{recordName, "*." + recordName}, Status: string(acmt.CertificateStatusIssued),
		NotBefore: ends.Add(-395 * day), NotAfter: ends,
	}}
}

var acmAPI = awsAPI{
	system:     "aws.acm",
	operations: map[string]operation{"DescribeCertificate": reads(describeCertificate)},
	target: func(in any) string {
		if in, ok := in.(*acm.DescribeCertificateInput); ok {
			return deref(in.CertificateArn)
		}
		return ""
	},
}

func describeCertificate(r request, in *acm.DescribeCertificateInput) (*acm.DescribeCertificateOutput, error) {
	arn, region := deref(in.CertificateArn), r.Regions[r.region]
	c := region.Certificates[arn]
	if c == nil {
		return nil, &acmt.ResourceNotFoundException{Message: ptr("Could not find certificate " + arn + " in account " + account + ".")}
	}
	d := &acmt.CertificateDetail{
		CertificateArn: ptr(arn), DomainName: ptr(c.Names[0]), SubjectAlternativeNames: c.Names, Status: acmt.CertificateStatus(c.Status),
		Type: acmt.CertificateTypeAmazonIssued, RenewalEligibility: acmt.RenewalEligibilityIneligible,
		KeyAlgorithm: acmt.KeyAlgorithmRsa2048, SignatureAlgorithm: ptr("SHA256WITHRSA"), Issuer: ptr("Amazon"),
	}
	if c.Status == string(acmt.CertificateStatusIssued) && !r.now.Before(c.NotAfter) {
		d.Status = acmt.CertificateStatusExpired
	}
	if !c.NotAfter.IsZero() { // one that was never issued has neither
		d.NotBefore, d.NotAfter = ptr(c.NotBefore), ptr(c.NotAfter)
	}
	for _, l := range region.Listeners {
		for _, used := range l.Certificates {
			if used == arn {
				d.InUseBy = []string{albARN(r.region)}
			}
		}
	}
	switch {
	case c.Imported:
		d.Type, d.Issuer = acmt.CertificateTypeImported, ptr("A CA")
	case len(d.InUseBy) > 0 && d.Status == acmt.CertificateStatusIssued:
		d.RenewalEligibility = acmt.RenewalEligibilityEligible
	}
	if c.Renewal != "" {
		d.RenewalSummary = &acmt.RenewalSummary{
			RenewalStatus: acmt.RenewalStatus(c.Renewal), RenewalStatusReason: acmt.FailureReason(c.Why), UpdatedAt: ptr(r.now.Add(-24 * time.Hour)),
		}
	}
	return &acm.DescribeCertificateOutput{Certificate: d}, nil
}
