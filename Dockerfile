# syntax=docker/dockerfile:1
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -ldflags="-s -w" -o /failoverbot .

FROM gcr.io/distroless/static-debian12:nonroot
COPY --from=build /failoverbot /failoverbot
ENTRYPOINT ["/failoverbot"]
CMD ["help"]
