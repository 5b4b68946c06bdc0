# gcloud, a new process for each line of input, and Earth Engine asked with its token.
while read -r _; do
    if token=$(gcloud auth print-access-token 2>&1); then
        said=$(curl --silent --fail-with-body --header "Authorization: Bearer $token" \
            "$EARTH_ENGINE/v1/projects/$GOOGLE_CLOUD_PROJECT/config") && echo ok $said || echo error $said
    else
        echo error $token
    fi
done
