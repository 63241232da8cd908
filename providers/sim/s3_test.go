package sim

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3t "github.com/aws/aws-sdk-go-v2/service/s3/types"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

func TestBucketsHoldObjectsInTheirRegion(t *testing.T) {
	s := quiet(t)
	c := s3.NewFromConfig(s.once(west))
	bucket, key := ptr(bucketName(west)), ptr(takeoverKey)
	_, err := c.HeadBucket(s.ctx, &s3.HeadBucketInput{Bucket: bucket})
	s.must(err)
	var nf *s3t.NotFound
	if _, err := c.HeadObject(s.ctx, &s3.HeadObjectInput{Bucket: bucket, Key: key}); !errors.As(err, &nf) {
		t.Errorf("an object that is not there: %v", err)
	}
	var status *smithyhttp.ResponseError
	if _, err := c.HeadObject(s.ctx, &s3.HeadObjectInput{Bucket: bucket, Key: key}); !errors.As(err, &status) || status.HTTPStatusCode() != 404 {
		t.Errorf("without its status: %v", err)
	}
	_, err = c.PutObject(s.ctx, &s3.PutObjectInput{Bucket: bucket, Key: key, Body: strings.NewReader("INC-7"), ContentType: ptr("text/plain")})
	s.must(err)
	got, err := c.GetObject(s.ctx, &s3.GetObjectInput{Bucket: bucket, Key: key})
	s.must(err)
	body, err := io.ReadAll(got.Body)
	s.must(err)
	if string(body) != "INC-7" {
		t.Errorf("read back %q", body)
	}
	if _, err := s3.NewFromConfig(s.once(east)).HeadObject(s.ctx, &s3.HeadObjectInput{Bucket: bucket, Key: key}); err == nil {
		t.Error("a client of another Region got at the object")
	}
	_, err = c.DeleteObject(s.ctx, &s3.DeleteObjectInput{Bucket: bucket, Key: key})
	s.must(err)
	var gone *s3t.NoSuchKey
	if _, err := c.GetObject(s.ctx, &s3.GetObjectInput{Bucket: bucket, Key: key}); !errors.As(err, &gone) {
		t.Errorf("after deletion: %v", err)
	}
}
