# GDAL's EEDA driver, a new process for each line of input.
export EEDA_URL="$EARTH_ENGINE/v1alpha/"
while read -r _; do
    said=$(ogrinfo -ro -al "EEDA:projects/$GOOGLE_CLOUD_PROJECT/assets/IMAGES" 2>&1)
    case $said in
        *assets/IMAGES/ONE*) echo ok $said ;;
        *) echo error $said ;;
    esac
done
